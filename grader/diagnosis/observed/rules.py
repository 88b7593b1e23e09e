"""Rules that a check holds an answer to, and what is said where that check alone has seen that one is broken."""

import inspect
import re
from collections.abc import Collection, Iterator
from typing import Any

from torch import Tensor

from grader.checks.collect import collect
from grader.diagnosis.evidence import differs, raised
from grader.diagnosis.observed.facts import NAN, Fact, Look
from grader.diagnosis.reference import reference

MEANS = "It is what the check has seen; its message tells with which values."

DEPENDENT = "labels not dropped independently of each other"
BROKEN = {
    # every network
    "treats_each_sample_by_itself_in_training_too": "an answer that depends on the batch's other samples, or on chance",
    "tells_one_time_from_another": "some times get the same answer",
    "tells_one_label_from_another": "some or all labels get the same answer",
    "tells_one_label_from_another_and_none_from_all": "some labels get the same answer",
    "can_guess_noise_of_either_sign_and_any_size": "an output that is squashed or has one sign",
    "keeps_all_that_it_is_in_parameters_and_buffers": "something that counts lies in no parameter or buffer",
    "answers_zero_in_the_shape_of_x_at_initialisation": "not zero at initialisation",
    "answers_in_the_shape_of_x_for_t_of_any_size": "no answer in the shape of x for every t",
    "is_as_wide_as_it_is_told": "the width asked for is not that of the layers",
    "is_as_wide_inside_as_it_is_told": "the width asked for is not that of the layers inside",
    "is_as_large_as_it_is_told": "the size asked for is not that of the network",
    "has_layers_as_wide_as_hidden_says": "the width asked for is not that of the layers",
    "looks_at_every_coordinate_and_guesses_each": "a coordinate that is not looked at, or not guessed",
    "hands_detail_across_by_skips": "no skips: detail does not get past the bottom",
    "lets_every_place_see_every_other_by_attention": "places do not see all others: no attention, or not over all positions",
    "lets_every_patch_see_every_other": "patches do not see each other",
    "can_learn_away_from_its_first_answer": "the network cannot learn away from its first answer",
    "is_alive_after_one_update": "the network cannot learn away from its first answer",
    "is_alive_after_an_update": "the network cannot learn away from its first answer",
    "learns_from_its_initialisation": "the network cannot learn away from its first answer",
    "takes_no_label_for_none": "a label, or none, is taken for another",
    "knows_where_a_patch_stands": "the place of a patch has no effect",
    "knows_where_the_other_patches_stand": "the place of the other patches has no effect",
    "learns_no_positions": "the positions are learned",
    "gives_each_patch_its_own_answer_in_its_place": "patches are put back in other places",
    "does_not_mind_the_order_of_tokens": "the order of the tokens has an effect",
    "does_not_mind_the_order_of_tokens_and_lets_each_see_the_others": "the order of the tokens has an effect",
    "does_not_mind_the_order_of_the_context_or_of_the_places": "the order of the tokens has an effect",
    "adds_nothing_of_its_own": "something is added to what attention gives",
    "divides_by_the_root_of_a_heads_size": "not divided by the root of a head's size",
    "is_the_identity_at_initialisation": "not the identity at initialisation",
    "answers_to_the_condition_of_each_sample": "the condition is not each sample's own",
    "modulates_the_tokens_before_attention_and_the_mlp": "tokens not modulated before attention and the MLP",
    "has_an_mlp_that_bends": "an MLP without a nonlinearity",
    "puts_attention_first_and_then_the_mlp_on_what_it_left": "not attention first, and then the MLP on what it left",
    "reads_every_token_of_its_own_context": "not every token of a sample's own context is read",
    "lets_places_see_each_other_by_self_attention": "places do not see each other: no self-attention",
    "looks_at_itself_before_it_reads": "not self-attention first, and then the context",
    "works_on_what_it_has_read_with_an_mlp": "no MLP on what was read",
    "adds_to_x_what_it_finds": "the result is not added to x",
    "sees_x_through_a_norm": "x not normalised first",
    "encodes_to_a_quarter_of_the_side_and_decodes_back": "the latent does not have a quarter of the side",
    "decodes_one_draw_from_what_it_encoded": "what is decoded is no draw: mean + standard deviation · noise",
    "decodes_what_it_is_given_and_nothing_else": "the decoder sees more than the latent",
    "draws_with_the_clamped_log_variance": "a log variance in forward that is not encode's, clamped",
    "clamps_the_log_variance_alone": "the log variance not clamped, or the mean clamped too",
    "can_draw_dark_and_light": "pictures that cannot reach dark and light",
    "learns_to_hand_pictures_through_its_latent": "pictures do not get through the latent",
    "says_two_things_of_each_number": "mean and log variance are not two things",
    # loops, losses and samplers
    "takes_its_randomness_from_the_generator_alone": "randomness that does not come from the generator alone",
    "take_their_randomness_from_the_generator_alone": "randomness that does not come from the generator alone",
    "draws_nothing_of_its_own": "another result from the same arguments: something of its own is drawn",
    "without_a_generator_still_adds_fresh_noise": "no fresh noise without a generator",
    "with_eta_0_is_the_same_whatever_the_generator": "randomness where eta is 0",
    "takes_any_callable_as_its_model": "fails for a plain function in the model's place",
    "takes_any_callable_as_its_denoiser": "fails for a plain function in the denoiser's place",
    "takes_any_callable_and_keeps_half_precision": "fails for a plain function, or in half precision",
    "takes_any_callable_as_its_teacher_and_images_as_data": "fails for a plain function as teacher, or images as data",
    "takes_any_null_any_scale_and_plain_functions": "fails for another null or scale, or for plain functions",
    "takes_floats_and_tensors": "not the same for floats and tensors",
    "takes_its_levels_as_a_list_or_a_tensor": "not the same for a list and a tensor",
    "leaves_mode_and_gradients_to_the_caller": "the model's mode or gradients changed",
    "leaves_modes_and_gradients_to_the_caller": "the models' modes or gradients changed",
    "leaves_no_trace_on_the_classifier_or_on_x_t": "a trace left on the classifier or on x_t",
    "leaves_the_teacher_as_it_is": "the teacher is changed",
    "carries_no_gradient_to_the_teacher": "a gradient flows to the teacher",
    "lets_gradients_through_to_the_model_and_not_to_the_autoencoder": "a gradient missing at the model, or flowing to the autoencoder",
    "sends_gradients_through_the_high_side_only": "gradients do not flow through the high side alone",
    "keeps_its_target_constant_for_one_network_on_both_sides": "a gradient flows through the target",
    "records_no_gradient_and_leaves_its_arguments_as_they_were": "gradients recorded, or an argument changed",
    "records_no_gradient_and_leaves_the_model_alone": "gradients recorded, or the model changed",
    "works_where_recording_is_off": "fails where the recording of gradients is off",
    "works_where_gradients_are_not_recorded": "fails where the recording of gradients is off",
    "goes_backward_once": "more than one backward pass",
    "keeps_the_dtype_and_leaves_no_trace": "a dtype lost, or a trace left",
    "adds_no_noise_on_the_last_step": "noise in the last step",
    "adds_no_noise_where_t_is_0": "noise where t is 0",
    "does_not_look_at_noise_where_eta_is_0": "the noise is used where eta is 0",
    "adds_nothing_at_the_lowest_level": "noise added at the lowest level",
    "ends_with_the_mean_itself": "the last step does not end with the mean itself",
    "is_infinite_at_both_ends": "not infinite at both ends",
    "clips_the_predicted_data_before_the_posterior_mean": "the predicted data not clipped to [-1, 1] before the posterior mean",
    "predicts_noise_with_the_small_variance_by_default": "another default for kind or variance",
    "adds_fresh_standard_normal_noise_to_the_mean_of_each_step": "not fresh standard normal noise on the mean of each step",
    "adds_noise_of_the_chosen_variance_to_the_mean_of_each_step": "not noise of the chosen variance on the mean of each step",
    "adds_fresh_noise_of_the_size_of_the_diffusion_to_each_step": "not fresh noise of the diffusion's size in each step",
    "adds_fresh_noise_of_size_sigma_to_each_step": "not fresh noise of size σ in each step",
    "adds_fresh_noise_up_to_each_level": "not fresh noise up to each level",
    "drops_each_label_independently": DEPENDENT,
    "drops_labels_at_the_rate_p": "labels not dropped at the rate p",
    "drops_at_the_rate_p": "labels not dropped at the rate p",
    "drops_none_at_0_and_all_at_1": "not none dropped at p = 0 and all at p = 1",
    "changes_a_label_to_null_or_leaves_it": "labels that are neither null nor as they were",
    "draws_levels_and_rows_uniformly": "levels or rows not drawn uniformly",
    "draws_rows_levels_and_noise_afresh": "rows, levels or noise not drawn afresh",
    "shows_noised_rows_of_all_the_data_at_levels_of_their_own": "the model not shown noised rows of all the data, each at its own level",
    "returns_and_descends_the_loss_of_the_guessed_noise": "not the loss of each step returned, or another one descended",
    "returns_the_loss_of_each_update": "not the loss of each update returned",
    "moves_every_parameter_and_leaves_it_trainable": "a parameter that is not moved, or not trainable afterwards",
    "trains_every_parameter_in_place": "a parameter that is not trained in place",
    "goes_on_where_nothing_is_left_to_learn": "stops where nothing is left to learn",
    "steps_by_lr_however_steep_the_loss_like_adam": "steps that do not have Adam's size lr",
    "forgets_old_gradients_and_keeps_its_momentum": "old gradients kept, or Adam's momentum lost, between steps",
    "has_its_defaults_and_keeps_dtype_and_data": "other defaults, or dtype or data changed",
    "teaches_at_the_students_own_levels": "the student not taught at its own levels",
    "lets_the_teacher_take_two_steps": "not two steps of the teacher for one of the student",
    "shows_teacher_and_student_the_same_noised_rows": "teacher and student not shown the same noised rows",
    "noises_rows_of_the_data_afresh": "rows of the data not noised as they should be, or not afresh",
    "draws_the_student_to_where_two_steps_of_the_teacher_lead": "the student not drawn to where the teacher's two steps lead",
    "has_a_loss_of_0_where_the_student_is_perfect": "a loss that is not 0 where the student is perfect",
    "begins_anew_in_every_call": "something is kept from call to call",
    "asks_for_both_guesses_whatever_the_scale": "the model asked otherwise at some scales than once for both guesses",
    "asks_for_both_guesses_whatever_the_scales_of_the_samples": "the model asked otherwise at some scales than once for both guesses",
    "has_a_scale_for_each_sample": "wrong where each sample has its own scale",
    "takes_a_scale_of_any_size": "wrong for a large or a negative scale",
    "of_a_label_against_itself_is_its_guess": "wrong where a sample's two labels are the same",
    "of_a_sample_without_a_label_is_its_guess": "wrong where a sample has no label",
    "decodes_once_at_the_end_what_it_has_unscaled": "not decoded once, at the end, after the scale is taken out",
    "clamps_the_picture_and_nothing_else": "the picture not clamped, or more than the picture",
    "of_equal_levels_and_networks_is_zero": "not zero for equal levels and networks",
    "keeps_the_tensors_of_the_slow_model_and_all_that_hangs_on_them": "the slow model gets other tensors",
    "averages_parameters_and_floating_buffers_once_and_copies_the_others": "parameters or buffers not averaged once, or not copied",
    "closes_in_on_a_model_that_stands_still": "the average does not close in on a model that stands still",
    "to_clean_data_forgets_the_past": "wrong in the step to clean data that has a past",
    "to_clean_data_without_a_past": "wrong in the step to clean data",
    "to_minus_1_is_the_predicted_data": "wrong in the step to clean data",
    "reaches_both_ends": "wrong where the schedule reaches its end",
    "at_the_ends_of_a_schedule": "wrong at the ends of a schedule",
    "at_both_ends_of_time": "wrong at the ends of time",
    "far_out": "wrong far out",
    "is_right_far_in_the_tails": "wrong far in the tails",
    "pulls_mean_and_logvar_back_from_the_tails": "no gradient, or a wrong one, far in the tails",
    "near_the_end_is_steep": "wrong near the end",
    "begins_at_noise_and_ends_at_data": "does not begin at noise and end at data",
    "holds_where_the_classifier_is_sure": "wrong where the classifier is sure",
    "teaches_a_classifier_that_is_sure_and_wrong": "wrong where the classifier is sure and wrong",
    "holds_for_small_deviations_and_expanded_samples": "wrong for small deviations or expanded samples",
    "is_one_number_whatever_the_axes": "not one number over all axes",
    "works_in_float32": "wrong in float32",
    "visits_every_level_where_n_is_T": "not every level visited where n is T",
    "starts_at_the_last_level": "does not start at the last level",
    "rounds_each_step_and_not_the_stride": "the stride rounded, not each step",
    "takes_any_of_the_best_where_several_are_equally_good": "fails where several pairings are equally good",
    "broadcasts_its_arguments": "arguments not broadcast against each other",
    "at_t_0_is_the_data_without_doubt": "not the data without doubt at t = 0",
    "is_exact_next_to_1_and_next_to_0": "digits lost next to 0 or next to 1",
    "clips_the_betas_at_the_end": "the betas not clipped at max_beta",
    "leaves_both_ends_where_they_are": "the ends do not stay where they are",
    "of_pure_static_is_zero": "not zero for pure static",
    "of_one_level_is_its_start": "wrong for one level",
    "of_integer_t_of_any_size_is_float32": "wrong for whole numbers t, or not in float32",
    "gives_each_t_its_own_row_and_leaves_t_alone": "not each t its own row, or t changed",
    "works_on_any_shape_and_layout": "wrong for some shapes or layouts of the data",
    "works_on_any_layout_and_dtype_and_leaves_the_picture_alone": "wrong for some layouts or dtypes",
    "gives_each_sample_its_own_on_any_shape": "not a number of its own for each sample of any shape",
}
"""By the name of a check, without the exercise: what is said where it fails and what it looks at is all that is wrong.

Checks of networks that fail for more than one reason are not here: what they have seen is told in their own words, or nothing.
"""
ASKING = {
    "calls_the_model_once_with_the_noised_data_and_its_levels": "the model asked otherwise than once, about the noised data at its levels",
    "calls_the_model_once_with_the_noised_data_and_its_times": "the model asked otherwise than once, about the noised data at its times",
    "calls_the_model_once_with_noised_data_levels_and_labels": "the model asked otherwise than once, with noised data, levels and labels",
    "asks_the_model_once_at_the_point_of_the_line_and_its_time": "the model asked otherwise than once, at the line's point and its time",
    "asks_the_teacher_along_one_step_of_heun": "teacher or networks asked otherwise than along one step of Heun",
    "shows_each_network_its_own_side_with_the_same_noise": "the networks shown other than their own sides with the same noise",
    "asks_the_network_for_scaled_input_and_level": "the network asked otherwise than for scaled input and level",
    "jumps_once_a_level_and_returns_the_last_answer": "other than one jump a level, of which the last answer is returned",
    "asks_once_a_step_at_the_times_where_the_steps_begin": "the model asked otherwise than once a step, where the step begins",
    "asks_twice_a_step_at_its_beginning_and_in_its_middle": "the model asked elsewhere than at each step's beginning and middle",
    "calls_the_model_once_with_each_label_and_with_null": "the model asked otherwise than once: each sample with label and null",
    "calls_the_model_once_with_both_labels": "the model asked otherwise than once: each sample with both its labels",
    "walks_down_the_trailing_levels": "a walk down other levels than the trailing ones",
    "asks_about_each_state_with_its_label_and_with_null": "the model shown other states, or not each with its label and with null",
    "shows_the_classifier_noised_data_and_its_levels": "the classifier shown something else than noised data and its levels",
    "shows_the_model_the_noised_latent_its_levels_and_labels": "the model shown something else than noised latent, levels and labels",
    "asks_the_model_at_trailing_times_twice_for_each_latent": "the model asked otherwise than at trailing times, twice a latent",
    "shows_the_model_the_latents_on_their_way": "the model shown something else than the latents on their way",
    "calls_the_denoiser_twice_a_step_and_once_on_the_last": "the denoiser asked otherwise than twice a step and once on the last",
    "looks_twice_at_the_start_and_in_the_middle": "the model asked elsewhere than at the start and in the middle",
    "asks_the_teacher_at_t_and_at_t_mid": "the teacher asked otherwise than at t and at t_mid",
    "asks_the_model_where_each_of_the_steps_begins": "the model asked elsewhere than where each of the steps begins",
    "walks_from_the_given_noise_by_euler": "another walk than Euler's from the given noise",
}
"""Checks of what models are asked, and what is said where they fail."""
AFTER = {
    "shows_the_model_the_latents_on_their_way": "asks_the_model_at_trailing_times_twice_for_each_latent",
    "asks_about_each_state_with_its_label_and_with_null": "walks_down_the_trailing_levels",
}
"""Those of them that fail too where another one does: at other times other things are shown."""
BOTH = "asks_for_both_guesses_whatever_the_scale"
"""The check of what is asked at scales at which one of both guesses has no effect: others may pass where it fails."""
IN_PART = {
    "asks_the_teacher_along_one_step_of_heun", "asks_the_network_for_scaled_input_and_level",
    "jumps_once_a_level_and_returns_the_last_answer", "asks_once_a_step_at_the_times_where_the_steps_begin",
    "asks_twice_a_step_at_its_beginning_and_in_its_middle", "asks_the_model_where_each_of_the_steps_begins",
    "asks_the_model_at_trailing_times_twice_for_each_latent", "walks_from_the_given_noise_by_euler",
    "looks_twice_at_the_start_and_in_the_middle", "asks_the_teacher_at_t_and_at_t_mid",
}  # fmt: skip
"""Those of them that pass where some of what is asked may be wrong."""
ZERO = r"of_a_perfect_model.*zero.*|of_a_model_that_knows.*zero|of_equal_levels.*zero|has_a_loss_of_0.*|of_a_perfect_guess.*"
"""Checks of losses that have nothing to learn left."""
KEPT = "a dtype that is not kept, or an argument that is changed"
PATTERNS = [
    (r"refuses_(.*)", "{} not refused"),
    (r"lets_gradients_through.*", "a gradient that is wrong or missing"),
    (r"keeps_the_dtype_and_takes_any_t_once_it_has_learned", ""),
    (r"is_differentiable_in_the_(.*)", "no gradient, or a wrong one, in the {}"),
    (r"(?:at|from)_the_end_of_a_schedule", "wrong where next to nothing of the data is left, at the end of a schedule"),
    (r"at_the_beginning_of_a_schedule", "wrong where hardly any noise is added, at the beginning of a schedule"),
    (r"draws_where_no_gradient_is_recorded", "another result where no gradient is recorded"),
    (r"keeps?_the_dtype.*", KEPT),
    (
        r"by_default.*|defaults?_to.*|has_its_defaults.*|starts_at_1e_5_by_default",
        "another default, or wrong numbers with the defaults",
    ),
    (r"(?:leaves|takes)_.*_by_default|leaves_0_0001.*", "another default, or wrong numbers with the defaults"),
]
"""The same for names that follow a pattern."""
WIDE = (
    "works_on_any",
    "reaches_both",
    "at_the_ends",
    "the_end_of_a_schedule",
    "the_beginning_of_a_schedule",
    "where_no_gradient",
    "far_out",
    "by_default",
    "default",
    "keeps?_the_dtype",
    "on_any_shape",
    "lets_grad",
    "floats",
    "averages_parameters",
    "closes_in_on",
)
"""Checks that fail too where the numbers are wrong everywhere: beside a check of numbers alone they tell nothing."""
WITHIN = {
    "has_a_scale_for_each_sample": "takes_a_scale_of_any_size",
    "learns_to_hand_pictures_through_its_latent": "can_draw_dark_and_light",
}
"""Checks that fail, beside others, for what another one looks at alone: if that fails too they tell nothing."""
CERTAIN = {"changes_a_label_to_null_or_leaves_it", "draws_nothing_of_its_own"}
"""Checks that fail for what they are called after, and for nothing else, however many others fail."""
SHARES = {"drops_labels_at_the_rate_p", "drops_at_the_rate_p"}
"""The same where what they have seen is a number."""
FEW = 2
"""Of so many checks that fail, each tells what is wrong though the numbers are."""


def rules(look: Look) -> Iterator[Fact]:
    """The rules that are broken where the numbers are right, or where few checks fail."""
    telling = {step[0] for step in look.telling}
    few = len(look.failures) <= FEW
    known = {check.name for check in collect(look.stem)}
    numbers = any(not said_of(name, look.exercise) for name in look.failures)
    yield from _methods(look)
    yield from _asked(look)
    dark = len(look.failures) > 1 and all(raised(evidence.got) for evidence in look.failures.values())
    for name, evidence in look.failures.items():
        if dark and not look.passed:
            return
        suffix = _suffix(name, look.exercise)
        certain = (suffix in CERTAIN and not raised(evidence.got)) or (
            suffix in SHARES and isinstance(evidence.got, float)
        )
        if name not in known or (name in telling and not few and not certain):
            continue
        failed = {_suffix(other, look.exercise): other for other in look.failures}
        if WITHIN.get(_suffix(name, look.exercise)) in failed:
            continue
        covered = {name, *(other for n, other in failed.items() if WITHIN.get(n) == _suffix(name, look.exercise))}
        if numbers and any(re.search(part, name) for part in WIDE):
            continue
        if "refuses" in name and evidence.notes and raised(evidence.notes[-1].values):
            yield Fact("an exception whose message does not name the argument", MEANS, frozenset([name]))
            continue
        plain = few or certain or _worded(evidence.got) or look.exercise[0].isupper()
        for says, sure in _broken(name, evidence.got, look.exercise, name in telling):
            yield Fact(says, MEANS, frozenset(look.failures if certain else covered), sure and plain)


def within(names: Collection[str], exercise: str) -> set[str]:
    """Those of the checks that failed that tell nothing, as another one has failed that looks at the same alone."""
    failed = {_suffix(name, exercise): name for name in names}
    return {name for suffix, name in failed.items() if WITHIN.get(suffix) in failed}


def _worded(got: Any) -> bool:
    """Whether the check tells in words what it has seen: with numbers alone, it may have failed for another reason."""
    return (isinstance(got, str) and " " in got and not raised(got)) or _by_name(got)


def _methods(look: Look) -> Iterator[Fact]:
    """Of a class: which of its methods is wrong, if the checks of the others pass."""
    target = getattr(reference(look.stem).module(look.exercise), look.exercise)
    if not inspect.isclass(target):
        return
    methods = [name for name, part in vars(target).items() if inspect.isfunction(part) and not name.startswith("_")]
    names = [name.removeprefix(f"test_{look.exercise}_") for name in (*look.failures, *look.passed)]
    of = {m: [f"test_{look.exercise}_{n}" for n in names if re.match(f"{m}_(?!and_)", n)] for m in methods}
    wrong = [m for m in methods if any(name in look.failures for name in of[m])]
    right = [m for m in methods if of[m] and not any(name in look.failures for name in of[m])]
    if len(wrong) == 1 and right:
        shapes = all(
            isinstance(e.got, tuple) and all(isinstance(n, int) for n in e.got) for e in look.failures.values()
        )
        what = f"{wrong[0]}: a result in another shape" if shapes else f"the {wrong[0]} wrong"
        says = f"{what}, the {' and the '.join(right)} right"
        yield Fact(says, MEANS, frozenset(look.failures))
    elif len(wrong) == len(methods) == FEW and any("tell_of_the_same" in name for name in look.passed):
        says = f"{' and '.join(wrong)} wrong alike: they tell of the same process, and it is another"
        yield Fact(says, MEANS, frozenset(look.failures))


def _asked(look: Look) -> Iterator[Fact]:
    """Where models note nothing: what the checks say of that which they are asked, and of a model that knows all."""
    if not look.telling or any(differs(step[3].asked, step[2].right.asked) for step in look.trail):
        return  # `asking` tells how
    failed = {n for name in look.failures if (n := _suffix(name, look.exercise)) in ASKING}
    passed = [n for name in look.passed if (n := _suffix(name, look.exercise)) in ASKING and n not in IN_PART]
    perfect = any(re.fullmatch(ZERO, _suffix(name, look.exercise)) for name in look.passed)
    if failed and any(step[2].right.asked for step in look.trail):
        return  # of what is noted nothing differs: that check looks at more
    covers = frozenset(step[0] for step in look.telling)
    behind = {n for n in failed if AFTER.get(n) in failed}
    covers |= {name for name in look.failures if _suffix(name, look.exercise) in behind}
    failed -= behind
    for name, evidence in look.failures.items():
        if (n := _suffix(name, look.exercise)) in failed and not raised(evidence.got):
            yield Fact(ASKING[n], MEANS, covers | {name}, not failed - {n})
    halved = {name for name, evidence in look.failures.items() if BOTH in name and not raised(evidence.got)}
    if passed and not failed and halved:
        yield Fact(BROKEN[BOTH], MEANS, covers | halved)
    elif passed and not failed and perfect:
        says = "asked rightly, and zero for a perfect model: errors are weighed or averaged in another way"
        yield Fact(says, MEANS, covers, False)
    elif passed and not failed:
        yield Fact("the model is asked rightly; what is made of its answers is wrong", MEANS, covers, False)


def _suffix(name: str, exercise: str) -> str:
    """The name of a check without the exercise and the parameters."""
    return name.split("[")[0].removeprefix(f"test_{exercise}_")


def _parts(got: Any) -> str:
    """The names of the parts that are wrong, if the check tells them with their values, and they are few."""
    return " and ".join(name for name, _ in got) if _by_name(got) and len(got) <= FEW else ""


def _by_name(got: Any) -> bool:
    """Whether the check tells parts by their names."""
    pairs = isinstance(got, list) and all(isinstance(part, tuple) and len(part) == FEW for part in got)
    return bool(pairs and got and all(isinstance(name, str) for name, _ in got))


def _broken(name: str, got: Any, exercise: str, telling: bool) -> Iterator[tuple[str, bool]]:
    """What is said of a check that failed with this, and whether it tells what is wrong."""
    says = said_of(name, exercise)
    of_results = not re.search("gradient|differentiable", name)
    if of_results and isinstance(got, Tensor) and bool(got.isnan().any()) and not telling:
        yield NAN, True
        return
    if isinstance(got, list) and got and all(isinstance(part, str) and SLOPE.match(part) for part in got):
        yield _slopes(got), True
        return
    if isinstance(got, list) and got[:1] == ["blind to the context"]:
        says = "tokens that do not see all of the context"
    if says == DEPENDENT and isinstance(got, list) and got and not {0.0, 1.0} & set(got):
        says = BROKEN["drops_at_the_rate_p"]  # single calls have other shares, and none of them drops all or nothing
    if which := _parts(got):
        yield f"wrong in {which} alone", True
    levels = isinstance(got, Tensor) and got.ndim == 1 and not got.is_floating_point()
    if "calls_the_model" in name and levels and not telling:
        yield "the model told other levels than are due", True
    elif raised(got):
        if says and any(part in name for part in RAISING) and not name.endswith(OF_A_NETWORK):
            yield says, True
        elif not telling:
            yield f"{got.removeprefix('raised ')} raised", False
    elif isinstance(got, tuple) and all(isinstance(side, int) for side in got):
        if exercise[0].isupper():  # of a class; of a function it is told by what its calls show
            yield "a result in another shape", True
    elif isinstance(got, str) and got.startswith("torch."):
        if not telling:
            yield f"{got.removeprefix('torch.')} where the data have another dtype", True
    elif says and not (isinstance(got, Tensor) and (says == KEPT or any(part in name for part in TELLS))):
        yield says, True


def _slopes(got: list[str]) -> str:
    """In what gradients are missing, or are no slopes, as the check of a network tells it."""
    kinds = {part.split(" gradient in ")[0] for part in got}
    where = " and ".join(part.split(" gradient in ")[1] for part in got)
    return f"{kinds.pop()} gradient in {where}" if len(kinds) == 1 and len(got) <= FEW else OF_ALL


SLOPE = re.compile("(?:no|another) gradient in ")
OF_ALL = "gradients that are not the slopes of the answer"
RAISING = (
    "recording_is_off", "not_recorded", "takes_any_callable", "takes_any_null", "takes_floats", "takes_its_levels", "refuses", "goes_on_where",
    "no_label_for_none", "half_precision", "equally_good", "gradients_through",
)  # fmt: skip
"""Checks where an exception is what it means that they fail."""
OF_A_NETWORK = "gradients_through_to_all_that_matters"
"""But of a network, whose results may have a shape with which nothing can be computed."""
TELLS = ("tells_one", "knows_where")
"""Checks that compare answers: with numbers, something else has failed there, as in those of dtypes, which are compared first."""


def said_of(name: str, exercise: str) -> str:
    """What is said if this check alone fails; "" if that would tell nothing."""
    suffix = _suffix(name, exercise)
    if suffix in BROKEN:
        return BROKEN[suffix]
    for pattern, template in PATTERNS:
        if match := re.fullmatch(pattern, suffix):
            return template.format(*(group.replace("_", " ") for group in match.groups() if group))
    return ""
