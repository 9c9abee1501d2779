"""Limb ends with lasting identities: assignments against brute force, and drawn limbs whose slots are known."""

import itertools

import numpy as np

from articulate.seeding.body.assignment_kernels import best_assignments
from articulate.seeding.body.slot_search import alone, initial_slots, joined
from articulate.seeding.body.slots import MIRROR, Slots, track_slots

PLACES = np.array([[0.7, 0.3, 0.5, 0.2], [0.1, 0.7, 0.1, 0.5], [-0.6, 0.5, -0.4, 0.3]])


def walker(num_frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Candidates [T, 9, 4] of three pairs of limbs in shuffled order, one in five unseen, with one that is clutter."""
    generator = np.random.default_rng(seed)
    mean = np.concatenate([PLACES, PLACES * MIRROR])
    swing = 0.12 * np.sin(np.arange(num_frames)[:, None] / 5 + generator.uniform(0, 6, 6))
    limbs = np.broadcast_to(mean, (num_frames, 6, 4)).copy()
    limbs[..., [0, 2]] += swing[..., None] * [1.0, 0.6]
    limbs += 0.01 * generator.standard_normal(limbs.shape)
    shown = np.full((num_frames, 9, 4), np.nan)
    true = np.full((num_frames, 6), -1)
    for t in range(num_frames):
        order = generator.permutation(9)
        for limb in range(6):
            if generator.random() < 0.8:
                shown[t, order[limb]] = limbs[t, limb]
                true[t, limb] = order[limb]
        shown[t, order[6]] = np.tile(generator.uniform(-1, 1, 2), 2)
    return shown, true


def test_best_assignments_are_those_of_brute_force() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        gain = generator.normal(0, 2, (4, 3))
        gain[gain < -3] = -3.1
        values = []
        for picks in itertools.product(range(-1, 4), repeat=3):
            taken = [c for c in picks if c >= 0]
            if len(set(taken)) == len(taken) and all(c < 0 or gain[c, s] > -3 for s, c in enumerate(picks)):
                values.append(sum(gain[c, s] for s, c in enumerate(picks) if c >= 0))
        choice, value = best_assignments(gain, 200)
        np.testing.assert_allclose(np.sort(value)[::-1], np.sort(values)[::-1], atol=1e-12)
        for row, total in zip(choice, value, strict=True):
            assert abs(sum(gain[c, s] for s, c in enumerate(row) if c >= 0) - total) < 1e-12
        np.testing.assert_allclose(best_assignments(gain, 8)[1].max(), max(values))


def test_three_pairs_of_limbs_give_six_slots() -> None:
    shown, _ = walker(400, 1)
    slots = initial_slots(shown, np.random.default_rng(0), True)
    assert len(slots.mean) == 6
    assert (slots.mirror[slots.mirror] == np.arange(6)).all() and (slots.mirror != np.arange(6)).all()
    np.testing.assert_allclose(slots.mean[slots.mirror], slots.mean * MIRROR, atol=1e-9)
    for place in PLACES:
        assert np.linalg.norm(slots.mean - place, axis=1).min() < 0.08


def test_limbs_keep_their_slots() -> None:
    shown, true = walker(400, 2)
    slots = initial_slots(shown, np.random.default_rng(0), True)
    tracks, _ = track_slots(shown, np.full(shown.shape[:2], 0.5), np.arange(400) > 0, slots)
    for limb, place in enumerate(np.concatenate([PLACES, PLACES * MIRROR])):
        slot = int(np.argmin(np.linalg.norm(slots.mean - place, axis=1)))
        seen = true[:, limb] >= 0
        assert (tracks.taken[seen, slot] == true[seen, limb]).mean() > 0.98


def test_two_postures_of_one_limb_are_one_slot() -> None:
    # One limb rests now here, now there; its neighbour is always seen. By likelihood alone these are three slots.
    generator = np.random.default_rng(0)
    shown = np.full((400, 4, 4), np.nan)
    there = generator.random(400) < 0.5
    shown[:, 0] = np.where(there[:, None], [-0.5, 0.6, -0.3, 0.4], [-0.8, 0.4, -0.6, 0.3])
    shown[:, 1] = [0.5, 0.6, 0.4, 0.4]
    shown += 0.02 * generator.standard_normal(shown.shape)
    slots = initial_slots(shown, np.random.default_rng(0), False)
    assert len(slots.mean) == 2


def test_joined_slots_have_the_moments_of_both() -> None:
    one, two = np.array([0.0, 0.4, 0.0, 0.2]), np.array([0.2, 0.4, 0.1, 0.2])
    mean = np.stack([one, two, one * MIRROR, two * MIRROR])
    slots = Slots(mean, np.full((4, 2), 0.01), np.array([0.6, 0.2, 0.6, 0.2]), np.array([2, 3, 0, 1]))
    result = joined(slots, 0, 1)
    np.testing.assert_allclose(result.mean[0], [0.05, 0.4, 0.025, 0.2])
    np.testing.assert_allclose(result.mean[1], result.mean[0] * MIRROR)
    # Two Gaussians a distance d apart with shares 3/4 and 1/4 add 3/16 d^2 along the line, half of it per axis.
    np.testing.assert_allclose(result.variance[0], [0.01 + 3 / 16 * 0.04 / 2, 0.01 + 3 / 16 * 0.01 / 2])
    np.testing.assert_allclose(result.seen, 0.8)
    assert result.mirror.tolist() == [1, 0]


def test_a_limb_returns_to_its_place_when_unseen() -> None:
    slots = alone(np.array([[0.0, -0.5, 0.0, -0.3], [0.0, 0.5, 0.0, 0.3]]))
    shown = np.full((60, 3, 4), np.nan)
    shown[:10, 0] = [0.15, 0.5, 0.1, 0.3]  # only the second is seen, and only at first
    tracks, _ = track_slots(shown, np.ones((60, 3)), np.arange(60) > 0, slots, rounds=1)
    assert (tracks.taken[:10, 1] == 0).all() and (tracks.taken[10:] == -1).all() and (tracks.taken[:, 0] == -1).all()
    np.testing.assert_allclose(tracks.place[5, 1], [0.15, 0.5], atol=0.02)
    np.testing.assert_allclose(tracks.place[-1], slots.mean[:, :2], atol=0.06)


def test_a_tail_that_swings_is_one_slot_on_the_midline() -> None:
    generator = np.random.default_rng(0)
    angle = 0.35 * np.sin(np.arange(400) / 7)
    shown = np.full((400, 4, 4), np.nan)
    tail = np.stack([-np.cos(angle), np.sin(angle)], -1)
    shown[:, 0] = np.concatenate([1.6 * tail, 1.1 * tail], -1)
    for side, flip in ((1, np.ones(4)), (2, MIRROR)):
        shown[:, side] = np.array([0.5, 0.6, 0.4, 0.4]) * flip
    shown += 0.02 * generator.standard_normal(shown.shape)
    slots = initial_slots(shown, np.random.default_rng(0), True)
    assert len(slots.mean) == 3
    tail_slot = int(np.argmin(slots.mean[:, 0]))
    assert slots.mirror[tail_slot] == tail_slot and abs(slots.mean[tail_slot, 1]) < 0.05
