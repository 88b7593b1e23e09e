"""Where an answer that is wrong elsewhere is right: special cases that a check of their own has passed."""

from collections.abc import Iterator

from grader.diagnosis.observed.facts import Fact, Look

MEANS = "The check of this case passes, and that of the others does not: look at what differs between them."
RIGHT = {
    "by_hand_without_fresh_noise": "right without fresh noise, wrong with it",
    "strides_that_divide_T": "right where n divides T alone",
    "visits_every_level_where_n_is_T": "right where every level is visited, wrong where some are left out",
    "of_first_order_by_hand": "the step without a past right, that with a past wrong",
    "with_rho_1_are_evenly_spaced": "right for rho = 1, wrong for others",
    "leaves_both_ends_where_they_are": "the ends stay where they are, and times between them are wrong",
    "covers_everything_from_0_to_1": "right for the interval from 0 to 1, wrong for a smaller one",
    "of_a_straight_flow_is_zero": "zero for a straight flow, and wrong for a bent one",
    "at_the_lowest_level_let_the_input_through": "right at the lowest level, wrong above it",
    "at_the_lowest_level_is_the_identity": "the identity at the lowest level, wrong above it",
    "ends_in_static_and_begins_as_before": "right at both ends, wrong between them",
    "lies_between_the_small_and_the_large": "between the small and the large variance, and not where it belongs",
    "at_t_0_is_the_data_without_doubt": "right at t = 0, wrong above it",
    "is_right_far_in_the_tails": "right far in the tails, wrong near the mean",
    "is_zero_for_equal_bells_and_above_zero_for_others": "zero for equal bells, and wrong for others",
    "is_zero_at_the_standard_normal_and_right_at_the_ends_of_logvar": "right at the standard normal, wrong elsewhere",
    "in_one_step": "right in one step, wrong in several",
    "in_one_step_and_in_two": "right in one step and in two, wrong in more",
    "at_both_ends_of_time": "right at both ends of time, wrong between them",
    "begins_at_noise_and_ends_at_data": "right at both ends, wrong between them",
    "by_hand_on_a_row_of_patches": "right for a row of patches, wrong for a grid",
    "of_one_patch_stands_at_zero": "right for one patch, wrong for several",
    "of_one_level_is_its_start": "right for one level, wrong for several",
    "of_ddpm": "right for DDPM's own numbers, wrong for others",
    "gives_each_sample_its_conditionals_deviation": "right where phi = 1, wrong where it blends",
    "at_t_0_shows_twelve_o_clock": "right at t = 0, wrong above it",
    "of_the_last_step_is_where_the_teacher_lands": "right in the last step, wrong in those before it",
    "with_two_equal_predictions_is_the_first_order_step": "right where both predictions are equal, wrong where they differ",
    "is_exact_where_eps_is_constant": "right where the model's answer is constant, wrong where it changes",
    "reaches_both_ends": "right where the schedule reaches its end, wrong within it",
    "of_equal_levels_and_networks_is_zero": "zero for equal levels and networks, and wrong otherwise",
}
"""By the name of a check, without the exercise: what is said where it passes and numbers are wrong in others."""


MANY = 2
"""If so many times as many checks pass as fail, an answer is right in more than the special case."""


def passing(look: Look) -> Iterator[Fact]:
    """The special case in which the answer is right."""
    if not look.valued or not look.whole:  # of exceptions `raising` tells
        return
    if MANY * len(look.failures) < len(look.passed):  # it is right elsewhere too
        return
    for name in look.passed:
        says = RIGHT.get(name.split("[")[0].removeprefix(f"test_{look.exercise}_"))
        if says:
            yield look.fact(says, MEANS, look.valued, sure=False)
            return
