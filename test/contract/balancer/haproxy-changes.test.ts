import { conformance } from './conformance.ts'
import { haproxyRig } from './haproxy-rig.ts'

conformance(haproxyRig('haproxy'), 'changes')
