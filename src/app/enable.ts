// drain and enable share their code; commands look for each by its own name.
export { enable } from './hand.ts'
