// history lives beside releases; commands look for it by its own name.
export { history } from './releases.ts'
