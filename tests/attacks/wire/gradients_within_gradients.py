"""The wire: gradients of what the judge computed, asked for again wherever it asks for gradients to compute them.

section: s3_score_sde
expect: dsm_loss tamper|timeout|fail
expect: score_from_eps pass
"""

import sys

import torch

MODULE = {"class": "", "parts": [""], "slots": [[0, "p", "a", True, True, 0]], "ties": [], "training": [True]}
ONE = torch.ones(3, dtype=torch.float64)


def serving():
    """The connection's end in this process."""
    frame = sys._getframe()
    while frame.f_code.co_name != "serve_forever":
        frame = frame.f_back
    return frame.f_locals["self"]


def dsm_loss(model, x0, t, noise, sde):
    connection = serving()
    channel = connection.channel
    module = ["m", 1_000_003, MODULE, ["reshape"]]
    channel.send({"op": "call", "target": connection.handles.number_of(sde), "method": "marginal",
                  "args": ["l", module, module], "needs": [True], "modules": [["mine", 1_000_003]],
                  "seq": 1, "count": 1, "sync": [], "gone": []}, [ONE])  # fmt: skip
    record = None
    while True:
        message, _ = channel.receive()
        about = {"seq": message.get("seq"), "count": 0, "sync": [], "gone": [], "op": "return", "gradient": []}
        if message["op"] == "get":
            value = ["dtype", "float64"] if message["name"] == "dtype" else 1
            channel.send({**about, "value": value}, [])
        elif message["op"] == "call":
            channel.send({**about, "value": ["T", 0], "count": 1, "gradient": [True], "record": 5}, [ONE])
        elif message["op"] == "grad" or record is None:
            record = record or message.get("record")
            if record is None:
                raise ValueError(str(message)[:500])
            channel.send({**about, "op": "grad", "record": record, "grads": [["T", 0], None], "needs": [False],
                          "wanted": [False, True], "create": False, "count": 1}, [ONE])  # fmt: skip
        else:
            return x0.sum()
