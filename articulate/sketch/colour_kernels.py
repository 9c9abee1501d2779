"""Compiled mean colours of a band, weighted by shares that may depend on depth, and their derivatives."""

from typing import no_type_check

from numba import njit

from articulate.sketch.kernels import FAST, LOG_2, halving, type_like
from articulate.sketch.limb_kernels import MAXIMUM, OVER
from articulate.sketch.profiles import COVERAGE_FLOOR, OCCLUSION_CEILING


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def in_front(z, w, n, k, lo, hi, t, inverse_temperature, sigma):
    """sigmoid((z_n - z_k) / temperature): how much limb n lies behind limb k, pixel by pixel."""
    one = type_like(sigma[0], 1.0)
    for i in range(lo, hi):
        d = (z[0] + (z[1] - z[0]) * t[n, i] - w[0] - (w[1] - w[0]) * t[k, i]) * inverse_temperature
        e = halving(abs(d))
        upper = one / (one + e)
        sigma[i] = upper if d > 0 else e * upper


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def band_visibility(depth, count, active, begin, end, alpha, t, inverse_temperature, sigma, visible):
    """Share of each limb that nearer limbs leave visible."""
    one, ceiling = type_like(sigma[0], 1.0), type_like(sigma[0], OCCLUSION_CEILING)
    for n in range(count):
        for i in range(begin[n], end[n]):
            visible[n, i] = one
    for n in range(count):
        for k in range(n):
            lo, hi = max(begin[n], begin[k]), min(end[n], end[k])
            if lo < hi:
                in_front(depth[active[n]], depth[active[k]], n, k, lo, hi, t, inverse_temperature, sigma)
                for i in range(lo, hi):
                    visible[n, i] *= one - ceiling * sigma[i] * alpha[k, i]
                    visible[k, i] *= one - ceiling * (one - sigma[i]) * alpha[n, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def band_colour(composition, colour, count, active, begin, end, alpha, t, best, share, total, mean):
    """Shares of the limbs and the mean colour [C, W] of the band; `share` arrives as visibilities for `over`."""
    zero, one = type_like(total[0], 0.0), type_like(total[0], 1.0)
    for i in range(total.size):
        total[i] = type_like(total[0], COVERAGE_FLOOR)
        for c in range(mean.shape[0]):
            mean[c, i] = zero
    for n in range(count):
        c0, c1 = colour[active[n], 0], colour[active[n], 1]
        for i in range(begin[n], end[n]):
            if composition == OVER:
                share[n, i] *= alpha[n, i]
            elif composition == MAXIMUM:
                share[n, i] = one if best[i] == n else zero
            else:
                share[n, i] = alpha[n, i]
            total[i] += share[n, i]
        for c in range(mean.shape[0]):
            for i in range(begin[n], end[n]):
                mean[c, i] += share[n, i] * (c0[c] + (c1[c] - c0[c]) * t[n, i])
    for c in range(mean.shape[0]):
        for i in range(total.size):
            mean[c, i] /= total[i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def band_colour_gradient(
    colour, count, active, begin, end, share, t, coverage, total, mean, g_band, g_alpha, g_share, g_t, g_colour
):
    """Gradient through the mean colours by shares, colours and t; `g_alpha` arrives as d coverage / d alpha."""
    zero = type_like(total[0], 0.0)
    for n in range(count):
        limb = active[n]
        for i in range(begin[n], end[n]):
            g_share[n, i] = zero
            g_t[n, i] = zero
            seen = g_band[0, i]
            for c in range(mean.shape[0]):
                seen += g_band[1 + c, i] * mean[c, i]
            g_alpha[n, i] *= seen
        for c in range(mean.shape[0]):
            low, rise = colour[limb, 0, c], colour[limb, 1, c] - colour[limb, 0, c]
            at_start, at_end = zero, zero
            for i in range(begin[n], end[n]):
                g = g_band[1 + c, i] * coverage[i] / total[i]
                g_share[n, i] += g * (low + rise * t[n, i] - mean[c, i])
                own = g * share[n, i]
                at_start += own
                at_end += own * t[n, i]
                g_t[n, i] += own * rise
            g_colour[limb, 0, c] += at_start - at_end
            g_colour[limb, 1, c] += at_end


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
@no_type_check
def pair_gradient(z, w, n, k, lo, hi, alpha, t, inverse_temperature, sigma, share, g_share, g_alpha, g_t):
    """Gradient through the mutual occlusion of limbs n and k: sums by depth (all, times t_n, times t_k)."""
    zero, one = type_like(sigma[0], 0.0), type_like(sigma[0], 1.0)
    ceiling, log2 = type_like(sigma[0], OCCLUSION_CEILING), type_like(sigma[0], LOG_2)
    sum_z, sum_n, sum_k = zero, zero, zero
    for i in range(lo, hi):
        behind, before = sigma[i], one - sigma[i]
        lost_n = -g_share[n, i] * share[n, i] * ceiling / (one - ceiling * behind * alpha[k, i])
        lost_k = -g_share[k, i] * share[k, i] * ceiling / (one - ceiling * before * alpha[n, i])
        g_alpha[k, i] += lost_n * behind
        g_alpha[n, i] += lost_k * before
        gz = (lost_n * alpha[k, i] - lost_k * alpha[n, i]) * behind * before * inverse_temperature * log2
        sum_z += gz
        sum_n += gz * t[n, i]
        sum_k += gz * t[k, i]
        g_t[n, i] += gz * (z[1] - z[0])
        g_t[k, i] -= gz * (w[1] - w[0])
    return sum_z, sum_n, sum_k


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def occlusion_gradient(
    depth, count, active, begin, end, alpha, t, inverse_temperature, sigma, share, g_share, g_alpha, g_t, g_depth
):
    """Gradient through the visibility of `over`, for every pair of limbs that share pixels of the band."""
    for n in range(count):
        for k in range(n):
            lo, hi = max(begin[n], begin[k]), min(end[n], end[k])
            if lo >= hi:
                continue
            z, w = depth[active[n]], depth[active[k]]
            in_front(z, w, n, k, lo, hi, t, inverse_temperature, sigma)
            sum_z, sum_n, sum_k = pair_gradient(
                z, w, n, k, lo, hi, alpha, t, inverse_temperature, sigma, share, g_share, g_alpha, g_t
            )
            g_depth[active[n], 0] += sum_z - sum_n
            g_depth[active[n], 1] += sum_n
            g_depth[active[k], 0] -= sum_z - sum_k
            g_depth[active[k], 1] -= sum_k
