// plan is the dry run of deploy; commands look for it by its own name.
export { plan } from './deploy.ts'
