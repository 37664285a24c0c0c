#!/usr/bin/env node
// Runs the TypeScript sources as they are (Node strips the types). For a checkout only.
process.removeAllListeners('warning')
await (await import('../src/main.ts')).main(import.meta.url)
