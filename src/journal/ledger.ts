// The ledger on the hosts. Its line lives in the dictionary (domain/ledger-line.ts), because facts, drivers and the
// journal all read it and may not import each other.
export { formatEntry, ledgerField, parseLedger } from '../domain/ledger-line.ts'
