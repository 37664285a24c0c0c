// push is the first half of deploy; commands look for it by its own name.
export { push } from './deploy.ts'
