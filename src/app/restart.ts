// restart is rollback's sibling; commands look for it by its own name.
export { restart } from './rollback.ts'
