// The style sheet of a report. Colours are pairs for light and dark with at least 4.5 to 1 for letters; two arms differ in
// their stroke as well, verdicts in sign and word. On paper it is light.

const LIGHT =
  '--bg:#fff;--fg:#1b1f24;--quiet:#57606a;--edge:#d0d7de;--box:#f6f8fa;--pass:#116329;--fail:#a40e26;--unsure:#7d4e00;--allow:#dafbe1;--warm:#eef1f4;--c0:#0550ae;--c1:#bc4c00;--c2:#6639ba;--c3:#57606a;--e0:#a40e26;--e1:#bc4c00;--e2:#6639ba;--e3:#0550ae;--e4:#116329;--e5:#57606a'
const DARK =
  '--bg:#0d1117;--fg:#e6edf3;--quiet:#9198a1;--edge:#30363d;--box:#161b22;--pass:#56d364;--fail:#ff7b72;--unsure:#e3b341;--allow:#12301b;--warm:#1c2128;--c0:#79c0ff;--c1:#ffa657;--c2:#d2a8ff;--c3:#9198a1;--e0:#ff7b72;--e1:#ffa657;--e2:#d2a8ff;--e3:#79c0ff;--e4:#56d364;--e5:#9198a1'

const COLOURS = [0, 1, 2, 3].map(
  (index) => `.c${index}{stroke:var(--c${index})}.area.c${index},.key.c${index}{fill:var(--c${index});border-color:var(--c${index})}`,
)
const ERRORS = [0, 1, 2, 3, 4, 5].map(
  (index) => `.bar.e${index}{fill:var(--e${index})}.key.e${index}{background:var(--e${index});border-color:var(--e${index})}`,
)

export const STYLE = `
:root{${LIGHT};color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:0 16px 40px;max-width:1000px;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
header{border-left:6px solid var(--edge);padding:14px 0 14px 16px;margin:20px 0}
header.pass{border-color:var(--pass)}header.fail{border-color:var(--fail)}header.inconclusive,header.invalid{border-color:var(--unsure)}
h1{font-size:30px;line-height:1.2;margin:4px 0}
.pass h1,.pass .word,.pass>a,h2.pass .word{color:var(--pass)}.fail h1,.fail .word,.fail>a,h2.fail .word{color:var(--fail)}
.inconclusive h1,.invalid h1,.inconclusive .word,.invalid .word,.inconclusive>a,.invalid>a{color:var(--unsure)}
h2{font-size:21px;margin:36px 0 8px;border-bottom:1px solid var(--edge);padding-bottom:4px}
h3{font-size:16px;margin:26px 0 8px}
p{margin:6px 0}
small,.quiet{color:var(--quiet);font-weight:400;font-size:13px}
.sentence{font-size:18px;margin:4px 0}
code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--box);border:1px solid var(--edge);border-radius:6px;padding:10px 12px;white-space:pre-wrap;margin:6px 0}
nav ul,.legend,.warnings,.clauses,.lanes{list-style:none;margin:8px 0;padding:0}
nav li{display:inline-block;margin:0 14px 4px 0}
.warnings li{border-left:3px solid var(--unsure);padding:2px 0 2px 10px;margin:4px 0}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:4px 10px 4px 0;border-bottom:1px solid var(--edge);vertical-align:top;overflow-wrap:normal;font-weight:400}
th[scope=row]{min-width:90px;overflow-wrap:anywhere}
thead th{color:var(--quiet)}
.n{text-align:right}.n,.id{white-space:nowrap}
dl{display:grid;grid-template-columns:minmax(80px,max-content) 1fr;gap:3px 16px;margin:8px 0;font-size:14px}
dt{color:var(--quiet)}dd{margin:0}
.legend li{display:inline-block;margin:0 16px 2px 0;font-size:13px}
.key{display:inline-block;width:22px;height:0;border-top:3px solid;margin-right:6px;vertical-align:middle}
.key.c1{border-top-style:dashed}.key.c2{border-top-style:dotted}
.key[class*=" e"]{width:11px;height:11px;border:0}
.plot{margin:10px 0 16px;break-inside:avoid}
figcaption{font-size:13px;font-weight:600;margin-bottom:4px}
.box{position:relative;margin-left:64px;border-bottom:1px solid var(--edge)}
.box svg,.bar svg{display:block;width:100%;height:100%;overflow:visible}
.box svg *,.bar svg *{vector-effect:non-scaling-stroke}
.y,.limit:not(path){position:absolute;font-size:11px;line-height:1;color:var(--quiet);white-space:nowrap}
.y{right:100%;transform:translateY(-50%);padding-right:7px}
span.limit{left:100%;transform:translate(-100%,-110%);color:var(--unsure)}
.xs{position:relative;height:17px;padding-top:3px;margin-left:64px}
.xs span,.ticks span{position:absolute;font-size:11px;color:var(--quiet);transform:translateX(-50%);white-space:nowrap}
.xs .end{transform:translateX(-100%)}
.xt{margin-left:64px;font-size:11px;color:var(--quiet)}
.g{stroke:var(--edge);stroke-width:1;fill:none;opacity:.7}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.line.c1{stroke-dasharray:6 4}.line.c2{stroke-dasharray:2 4}
.area{stroke:none;opacity:.16}
${COLOURS.join('')}${ERRORS.join('')}
.bar.e0,.bar.e1,.bar.e2,.bar.e3,.bar.e4,.bar.e5{stroke:none}
path.limit{stroke:var(--unsure);stroke-width:1;stroke-dasharray:4 3;fill:none}
.mark{stroke:var(--quiet);stroke-width:1;stroke-dasharray:3 3;fill:none}
path.mark.restart,path.mark.loss{stroke:var(--fail)}path.mark.look{stroke:var(--pass)}
b.mark{position:absolute;top:-9px;transform:translateX(-50%);font-size:10px;line-height:13px;min-width:14px;text-align:center;background:var(--bg);border:1px solid var(--edge);border-radius:7px;color:var(--fg)}
.off{stroke-width:7;stroke-linecap:round}
.warm{fill:var(--warm)}
.marks{font-size:13px;color:var(--quiet);columns:19em;margin:4px 0 12px;padding-left:24px}
.tips{position:absolute;inset:0;display:flex}
.tips i{flex:1}
.tips i:hover{background:color-mix(in srgb,var(--fg) 12%,transparent)}
.tips i:hover::after{content:attr(data-t);position:absolute;right:0;bottom:100%;background:var(--fg);color:var(--bg);font:12px/1.4 system-ui,sans-serif;padding:2px 8px;border-radius:4px;max-width:100%;z-index:2;pointer-events:none}
.clauses>li{margin:0 0 16px;break-inside:avoid}
.aside{opacity:.85}
.asked{margin:0 0 4px}.said{margin:2px 0;font-size:14px}
div.bar{position:relative;height:20px;margin:2px 0 20px;background:var(--box);border:1px solid var(--edge);border-radius:3px}
.allowed{fill:var(--allow)}.interval{stroke:var(--fg);stroke-width:2;fill:none}
.bound{stroke:var(--fg);stroke-width:1.5;stroke-dasharray:4 3}.zero{stroke:var(--quiet);stroke-width:1}
.dot{stroke:var(--fg);stroke-width:11;stroke-linecap:round}
.l{position:absolute;top:100%;font-size:11px;line-height:1.3;color:var(--quiet);white-space:nowrap;width:0}
.l em{font-style:normal;position:absolute;transform:translateX(-50%);padding-top:2px}
.start em{transform:none}.end em{transform:translateX(-100%)}
.strips{display:grid;grid-template-columns:1fr 1fr;column-gap:24px}
.lanes li{display:grid;grid-template-columns:9em 1fr 10em;gap:8px;align-items:center;margin:3px 0;font-size:12px}
.lane{position:relative;height:14px;background:var(--box);border-radius:2px}
.lane i{position:absolute;top:0;bottom:0;border-radius:2px;min-width:2px}
.s0{background:var(--c0)}.s1{background:var(--c0);opacity:.55}.lane .failed{background:var(--fail);min-width:4px}
.ticks{background:none}
.lane-name,.lane-last{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.lane-last{color:var(--quiet)}
footer{margin-top:40px;color:var(--quiet);font-size:12px;border-top:1px solid var(--edge);padding-top:8px}
a{color:inherit}
@media (max-width:600px){body{font-size:14px;padding:0 10px 30px}h1{font-size:25px}.sentence{font-size:16px}.box,.xs,.xt{margin-left:50px}.strips{grid-template-columns:1fr}.lanes li{grid-template-columns:6em 1fr}.lane-last{display:none}.xs span:nth-child(even){display:none}}
@media print{:root{${LIGHT};color-scheme:light}body{max-width:none;font-size:11pt;padding:0}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}.tips{display:none}.wide{overflow:visible}h2,h3{break-after:avoid}tr{break-inside:avoid}}
`.replaceAll('\n', '')
