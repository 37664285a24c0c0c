# Writes test/fixtures/gate/special.json: values of scipy that src/gate/distributions.ts must reach.
import json, sys
from scipy import stats, special
out = {'student': [], 'normal': [], 'chiSquare': [], 'rateAtMost': [], 'rateAtLeast': [], 'binomial': [], 'lnBeta': [], 'lnGamma': [], 'lnBetaTails': []}
for df in (1, 2, 3, 5, 11, 14, 29, 59, 119, 1000, 123456):
    for tail in (0.49, 0.25, 0.1, 0.05, 0.021875, 0.01, 0.0014583333333333334, 0.0002083333, 1e-5, 1e-7):
        out['student'].append([tail, df, float(stats.t.isf(tail, df))])
for tail in (0.4, 0.2, 0.1, 0.05, 0.01, 1e-3, 1e-6, 1e-9): out['normal'].append([tail, float(stats.norm.isf(tail))])
for x in (1e-6, 0.01, 0.5, 1, 3.84, 10.83, 40, 200):
    for df in (1, 2, 7): out['chiSquare'].append([x, df, float(stats.chi2.sf(x, df))])
for n in (1, 3, 20, 299, 3000, 48000, 1000000, 10000000):
    for x in sorted({0, 1, 2, 5, 17, n // 1000, n // 100, n // 7, n // 2, n - 1}):
        if x > n or x < 0: continue
        for tail in (0.05, 0.01, 0.003125, 1e-4):
            if x < n: out['rateAtMost'].append([x, n, tail, float(stats.beta.isf(tail, x + 1, n - x))])
            if x > 0: out['rateAtLeast'].append([x, n, tail, float(stats.beta.ppf(tail, x, n - x + 1))])
for n, p in ((10, .5), (299, .99), (2995, .999), (12000, .95), (1000000, .95)):
    for k in (int(n * p * .98), int(n * p), min(n - 1, int(n * p * 1.002) + 1)):
        out['binomial'].append([k, n, p, float(stats.binom.cdf(k, n, p))])
for a, b in ((2, 2), (0.5, 0.5), (4, 60), (12.5, 33.25), (1e-3, 5), (1500, 1600), (1e6, 3e6), (2.2, 1e7)):
    out['lnBeta'].append([a, b, float(special.betaln(a, b))])
for x in (1e-5, .1, .5, 1.5, 2.5, 7.3, 14.9, 15, 99.5, 12345.6, 1e7): out['lnGamma'].append([x, float(special.gammaln(x))])
import mpmath
mpmath.mp.dps = 40
def tails(a, b, x):
    a, b, x = mpmath.mpf(a), mpmath.mpf(b), mpmath.mpf(x)
    lo = mpmath.betainc(a, b, 0, x, regularized=True); up = mpmath.betainc(a, b, x, 1, regularized=True)
    return float(mpmath.log(lo)), float(mpmath.log(up))
for a, b, x in ((2, 2, .5), (5, 3, .1), (12, 6, .5), (40, 3, .5), (100, 20, .5), (220, 35, .5), (2.5, 1.25, .3), (60.5, 200, .5), (200, 60.5, .5)):
    out['lnBetaTails'].append([a, b, x, *tails(a, b, x)])
json.dump(out, open(sys.argv[1], 'w'), indent=0, separators=(',', ':'))
print({k: len(v) for k, v in out.items()})
