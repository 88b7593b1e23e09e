"""Text: a message with escape sequences, markup, a script and letters that turn the line round.

expect: compute_alpha_bar fail
expect: forward_step pass
"""


def compute_alpha_bar(betas):
    raise ValueError(
        "\x1b[2J\x1b]8;;http://127.0.0.1/\x07x\x1b]8;;\x07 <script>alert(1)</script> [bold red]pass[/] {{ 7 * 7 }}"
        " \u202e\u2066ssap \ud800 \0 &lt; <img src=x onerror=alert(1)> </pre></td> =cmd|' /C calc'!A0\r\n::notice::pass"
    )
