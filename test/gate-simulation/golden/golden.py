# Writes cases of the independent implementation (sim.py, gate.py, err.py of the gate statistics bench) that the engine
# must reach: python3 golden.py FOLDER_OF_THE_BENCH OUTPUT.json. Needs numpy and scipy. Only the histogram's geometry is
# set to ours; the functions are called as they are.
import json, sys, os
bench, output = sys.argv[1:3]
sys.path.insert(0, bench)
sys.argv = ['gate.py', 'none']
import numpy as np, sim, gate
src = open(os.path.join(bench, 'err.py')).read()
err = {}
exec(src[:src.index('for p0,p1')], err)
# src/domain/histogram.ts: 10 us to 10 min, neighbouring edges differ by 1 %.
STEP = float(np.log(1.01)); LO = float(np.log(0.01)) - STEP
NB = int(np.ceil(np.log(600000 / 0.01) / STEP)) + 2
for module in (sim, gate): module.LO, module.STEP, module.NB = LO, STEP, NB
def sparse(H): return [[int(v) for k in np.nonzero(row)[0] for v in (k, row[k])] for row in H]
ratios = []
for seed, (rate, T, L, ratio, scenario) in enumerate([(40, 60, 5, 1.0, 'iid'), (30, 80, 5, 1.1, 'all+host3%'), (20, 120, 10, 1.0, 'shared+own'), (100, 40, 2, 1.2, 'all+host3%')]):
    sim.rng = np.random.default_rng(100 + seed)
    (s0, y0), (s1, y1) = sim.gen(scenario, rate, T, ratio)
    C, O = gate.histf(s0, y0, T, L).astype(float), gate.histf(s1, y1, T, L).astype(float)
    quantiles = []
    for q in (.5, .9, .95, .99):
        e, s, _ = sim.boot_logratio(C, O, q, B=4000)
        quantiles.append([q, e, float(s)])
    thr = float(np.quantile(np.concatenate([y0, y1]), .99)); kt = int((np.log(thr) - LO) / STEP); n = C.shape[0]
    d = C[:, kt:].sum(1) / np.maximum(C.sum(1), 1) - O[:, kt:].sum(1) / np.maximum(O.sum(1), 1)
    ratios.append({'canary': sparse(C), 'old': sparse(O), 'quantiles': quantiles, 'slow': {'aboveMs': thr, 'estimate': float(d.mean()), 'se': float(max(d.std(ddof=1) / np.sqrt(n), 1e-6))}})
tau = gate.TAU; shrunk = []
rng = np.random.default_rng(7)
for _ in range(20):
    e, s, e0, s0 = (float(v) for v in (rng.normal(.05, .08), rng.uniform(.005, .1), rng.normal(0, .05), rng.uniform(.005, .1)))
    lam = tau**2 / (tau**2 + s0**2)
    shrunk.append([e, s, e0, s0, e - lam * e0, float(np.sqrt(s * s + tau**2 * (1 - lam)))])
verdicts = []
for i in range(120):
    base = rng.normal([.05, .07, .004], [.06, .08, .006]) * (.3 if i % 3 == 0 else 1); wide = 4 if i % 3 == 0 else 1; looks = []; plain = []
    for k in range(1, 5):
        scale = 1 / np.sqrt(k); lk = {}
        for j, q in enumerate(gate.USE):
            lk[q] = (float(base[j] + rng.normal(0, .01 if j < 2 else .001) * scale), float((.025 if j < 2 else .003) * wide * scale * rng.uniform(.6, 1.4)), 15 * k - 1)
        looks.append(lk); plain.append([list(lk[q]) for q in gate.USE])
    verdict, at = gate.gate(looks)
    verdicts.append({'looks': plain, 'verdict': verdict, 'at': at})
margins = [float(gate.M[q]) for q in gate.USE]
process = []
for x, N, w in [(0, 0, .5), (1, 1, .5), (3, 3, .5), (5, 10, .5), (20, 24, .5), (80, 100, .5), (400, 900, .5), (2.5, 3.75, .5), (12.2, 14.8, .5), (7, 9, .3), (50, 220, .2), (5000, 9000, .5), (1, 40, .5)]:
    process.append([x, N, w, float(err['logE'](np.float64(x), np.float64(N), w))])
json.dump({'ratios': ratios, 'shrunk': shrunk, 'margins': margins, 'verdicts': verdicts, 'process': process}, open(output, 'w'), separators=(',', ':'))
print({'ratios': len(ratios), 'verdicts': {v: sum(c['verdict'] == v for c in verdicts) for v in ('PASS', 'FAIL', 'INC', 'INC-reg')}})
