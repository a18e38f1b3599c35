// SPDX-License-Identifier: Apache-2.0
//
// P-values of the Kolmogorov-Smirnov tests. The one-sample distribution is computed as Simard
// and L'Ecuyer (2011, "Computing the two-sided Kolmogorov-Smirnov distribution", Journal of
// Statistical Software 39(11)) choose between the methods: Ruben and Gambino (1982) at both
// ends, Durbin's matrix as Marsaglia, Tsang and Wang (2003) scale it, Pelz and Good (1976), and
// twice the one-sided probability of Birnbaum and Tingey (1951). In place of Pomeranz's
// recursion Durbin's matrix serves its range too (n <= 140, n d^2 <= 4: at most 47 columns).
// Agrees with scipy's kstwo.sf to 1e-10.
//
// The exact two-sample probability counts lattice paths that leave a band around the diagonal
// (Hodges 1958, "The significance probability of the Smirnov two-sample test"), as proportions,
// so that nothing overflows.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "data/drift/special.h"

#define MATRIX_MAX 128      // columns of Durbin's matrix: 2 ceil(n d) - 1
#define ONE_SIDED_MAX 20000 // values up to which the one-sided sum is taken term by term

static void multiply(const double *a, const double *b, double *out, int m)
{
	for (int i = 0; i < m; i++) {
		double *row = out + (size_t)i * (size_t)m;
		memset(row, 0, (size_t)m * sizeof *row);
		for (int k = 0; k < m; k++) {
			double x = a[i * m + k];
			const double *col = b + (size_t)k * (size_t)m;
			for (int j = 0; x != 0 && j < m; j++)
				row[j] += x * col[j];
		}
	}
}

static void durbin_matrix(double *H, int m, double h)
{
	double v[MATRIX_MAX], w[MATRIX_MAX], factorial = 1;
	for (int j = 1; j <= m; j++) {
		w[j - 1] = factorial; // 1 / (j - 1)!
		factorial /= j;
		v[j - 1] = (1 - pow(h, j)) * factorial;
	}
	v[m - 1] = (1 + pow(fmax(2 * h - 1, 0), m) - 2 * pow(h, m)) * factorial;
	memset(H, 0, sizeof *H * (size_t)m * (size_t)m);
	for (int i = 1; i < m; i++)
		for (int r = i - 1; r < m; r++)
			H[r * m + i] = w[r - i + 1];
	for (int r = 0; r < m; r++)
		H[r * m] = v[r];
	for (int j = 0; j < m; j++)
		H[(m - 1) * m + j] = v[m - 1 - j];
}

// Keeps the middle element within the range of doubles.
static void rescale(double *H, int m, int middle, long *exponent)
{
	if (!(fabs(H[middle]) > 0x1p128))
		return;
	for (int i = 0; i < m * m; i++)
		H[i] *= 0x1p-128;
	*exponent += 128;
}

// P(D < d): the k-th diagonal element of n!/n^n H^n.
static double durbin_cdf(uint64_t n, double d)
{
	double nd = (double)n * d;
	int k = (int)ceil(nd), m = 2 * k - 1, middle = (k - 1) * m + k - 1;
	INVARIANT(m <= MATRIX_MAX);
	size_t cells = (size_t)m * (size_t)m;
	double *H = xcalloc(4 * cells, sizeof *H), *P = H + cells, *spare = P + cells;
	long exponent = 0, h_exponent = 0;
	durbin_matrix(H, m, k - nd);
	for (int i = 0; i < m; i++)
		P[i * m + i] = 1;
	for (uint64_t left = n; left; left /= 2) {
		if (left % 2) {
			multiply(P, H, spare, m);
			memcpy(P, spare, cells * sizeof *P);
			exponent += h_exponent;
			rescale(P, m, middle, &exponent);
		}
		multiply(H, H, spare, m);
		memcpy(H, spare, cells * sizeof *H);
		h_exponent *= 2;
		rescale(H, m, middle, &h_exponent);
	}
	double p = P[middle];
	free(H);
	for (uint64_t i = 1; i <= n; i++) {
		p = (double)i * p / (double)n;
		if (p < 0x1p-128) {
			p *= 0x1p128;
			exponent -= 128;
		}
	}
	return ldexp(p, (int)fmax(fmin((double)exponent, 100000), -100000));
}

// P(D <= d) ~ K0(z) + K1(z)/sqrt(n) + K2(z)/n + K3(z)/n^1.5, z = d sqrt(n); the K as sums over
// odd (first loop) and over all integers (second), which converge for small z.
static double pelz_good_cdf(double n, double d)
{
	const double pi2 = M_PI * M_PI, pi4 = pi2 * pi2, pi6 = pi4 * pi2, s2pi = sqrt(2 * M_PI);
	double z = sqrt(n) * d, z2 = z * z, z4 = z2 * z2, z6 = z4 * z2, z8 = z4 * z4;
	double log_q = -pi2 / 8 / z2, K[4] = {0};
	if (log_q < -708)
		return 0;
	int last = (int)ceil(16 * z / M_PI);
	for (int k = last; k > 0; k--) {
		double m = 2 * k - 1, m2 = m * m, m4 = m2 * m2, m6 = m4 * m2;
		double q = exp(log_q * m2);
		K[0] += q;
		K[1] += q * (-z2 + pi2 / 4 * m2);
		K[2] += q * (6 * z6 + 2 * z4 + (2 * z4 - 5 * z2) * pi2 / 4 * m2 +
		                    pi4 * (1 - 2 * z2) / 16 * m4);
		K[3] += q * (-30 * z6 - 90 * z8 + pi2 * (135 * z4 - 96 * z6) / 4 * m2 +
		                    pi4 * (-60 * z2 + 212 * z4) / 16 * m4 +
		                    pi6 * (5 - 30 * z2) / 64 * m6);
	}
	K[0] *= s2pi / z;
	K[1] *= s2pi / (6 * z4);
	K[2] *= s2pi / (72 * z6 * z);
	K[3] *= s2pi / (6480 * z8 * z2);
	for (int k = last; k > 0; k--) {
		double k2 = (double)k * k, q = exp(4 * log_q * k2);
		K[2] -= k2 * q * pi2 * s2pi / (36 * z2 * z);
		K[3] += (3 * z2 - pi2 * k2) * k2 * q * pi2 * s2pi / (216 * z6);
	}
	return K[0] + K[1] / sqrt(n) + K[2] / n + K[3] / (n * sqrt(n));
}

// P(D+ >= d) = d sum over j of C(n, j) (1 - d - j/n)^(n - j) (d + j/n)^(j - 1), j <= n (1 - d).
// Every term is positive, so nothing cancels; logs of factorials are summed as they come.
static double one_sided_sf(uint64_t n, double d)
{
	double N = (double)n, log_choose = 0, sum = 0, lost = 0;
	uint64_t last = (uint64_t)floor(N * (1 - d));
	for (uint64_t j = 0; j <= last; j++) {
		double J = (double)j, a = 1 - d - J / N, b = d + J / N;
		if (a > 0) {
			double term = exp(log_choose + (N - J) * log(a) + (J - 1) * log(b));
			sum += term;
		}
		double step = log((N - J) / (J + 1)), t = log_choose + step;
		lost += fabs(log_choose) >= fabs(step) ? (log_choose - t) + step
		                                       : (step - t) + log_choose;
		log_choose = t;
		if (j % 64 == 63) { // what rounding lost of the sum of logs
			log_choose += lost;
			lost = 0;
		}
	}
	return fmin(d * sum, 1);
}

// The same for many values: the expansion of Lauwerier (1963, "The asymptotic expansion of the
// statistical distribution of N. V. Smirnov"), whose next term is of order 1/n^2.
static double one_sided_large(double n, double d)
{
	double z = d * sqrt(n), z2 = z * z, root = sqrt(n);
	double series = 1 - 2 * z / (3 * root) + 2 * z2 / (3 * n) * (1 - 2 * z2 / 3) +
	                4 * z / (9 * n * root) * (0.2 - 19 * z2 / 15 + 2 * z2 * z2 / 3);
	return exp(-2 * z2) * series;
}

// Twice the one-sided probability: what both sides cross is below 4.5e-8 where this is used,
// and is left in because scipy's numbers have it.
static double upper_sf(uint64_t n, double d)
{
	double p = n <= ONE_SIDED_MAX ? one_sided_sf(n, d) : one_sided_large((double)n, d);
	return fmin(fmax(2 * p, 0), 1);
}

// P(D <= d) for 1/2 < n d <= 1: n!/n^n (2 n d - 1)^n.
static double lower_cdf(uint64_t n, double t)
{
	double p = 1;
	for (uint64_t i = 1; i <= n && p > 0; i++)
		p *= (double)i / (double)n * (2 * t - 1);
	return p;
}

double special_ks_sf(uint64_t n, double d)
{
	double N = (double)n, t = N * d, nd2 = t * d;
	if (isnan(d) || n == 0)
		return NAN;
	if (d >= 1)
		return 0;
	if (t <= 0.5)
		return 1;
	if (t <= 1)
		return 1 - lower_cdf(n, t);
	if (t >= N - 1)
		return 2 * pow(1 - d, N);
	if (d >= 0.5 || nd2 > 4 || (n > 140 && nd2 >= 2.2))
		return nd2 >= 370 ? 0 : upper_sf(n, d);
	if (n <= 140 || (n <= 100000 && N * pow(d, 1.5) <= 1.4))
		return fmin(fmax(1 - durbin_cdf(n, d), 0), 1);
	return fmin(fmax(1 - pelz_good_cdf(N, d), 0), 1);
}

double special_ks2_sf(uint64_t n1, uint64_t n2, double d)
{
	if (!n1 || !n2)
		return NAN;
	double m = (double)(n1 > n2 ? n1 : n2), n = (double)(n1 > n2 ? n2 : n1);
	return special_ks_sf((uint64_t)rint(m * n / (m + n)), d);
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t t = a % b;
		a = b;
		b = t;
	}
	return a;
}

// Column x of the lattice: which y are inside the band |y m' - x n'| < h, m' = m/g, n' = n/g.
struct band {
	int64_t first, end;
};

static struct band band_at(int64_t x, int64_t n, int64_t mg, int64_t ng, int64_t h)
{
	int64_t low = ng * x - h, high = ng * x + h;
	struct band b = {low < 0 ? 0 : low / mg + 1, (high + mg - 1) / mg};
	b.end = b.end > n + 1 ? n + 1 : b.end;
	return b;
}

// out[y - b.first] is the share of the paths from (0, 0) to (x, y) that have left the band; of
// points outside it, all have.
static double paths_outside(int64_t m, int64_t n, int64_t g, int64_t h)
{
	int64_t mg = m / g, ng = n / g;
	struct band b = band_at(0, n, mg, ng, h);
	double *share = xcalloc((size_t)n + 2, sizeof *share), last = 1;
	for (int64_t x = 1; x <= m; x++) {
		struct band was = b;
		b = band_at(x, n, mg, ng, h);
		double below = 1; // the path's step from (x, y - 1)
		for (int64_t y = b.first; y < b.end; y++) {
			double left = y < was.end ? share[y] : 1;
			double w = (double)x / (double)(x + y);
			below = y == 0 ? left : left * w + below * (1 - w);
			share[y] = below;
		}
		last = b.end == n + 1 && b.first <= n ? share[n] : 1;
	}
	free(share);
	return last;
}

double special_ks2_exact(uint32_t n1, uint32_t n2, double d)
{
	INVARIANT(n1 && n2 && n1 <= KS2_EXACT_MAX && n2 <= KS2_EXACT_MAX);
	uint32_t g = gcd(n1, n2), m = n1 > n2 ? n1 : n2, n = n1 > n2 ? n2 : n1;
	double lcm = (double)(m / g) * n;
	int64_t h = (int64_t)rint(d * lcm);
	return h == 0 ? 1 : paths_outside(m, n, g, h);
}
