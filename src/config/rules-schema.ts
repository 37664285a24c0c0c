// The rule of JSON Schemas that stand in the file (`expect.schema`): each must be one that answers can be held against. Apart from the
// other rules because what compiles them is only loaded where there is one.
import { schemaCompiler } from '../util/json-schema.ts'
import type { RuleContext } from './rules-role.ts'
import type { Merged } from './schema.ts'
import { keyOf, type Path, placeOf } from './tree.ts'

export async function checkSchemas(loads: Merged['loads'], { root, report }: RuleContext): Promise<void> {
  const found = Object.entries(loads).flatMap(([name, { requests, scenarios, auth }]) => {
    const asked = [
      ...requests.map((request, index): Asked => [['requests', index], request]),
      ...Object.entries(scenarios).flatMap(([scenario, { steps }]) =>
        steps.map((step, index): Asked => [['scenarios', scenario, 'steps', index], step]),
      ),
      ...(auth?.login === undefined ? [] : [[['auth', 'login'], auth.login] satisfies Asked]),
    ]
    return asked.flatMap(([at, { expect }]) =>
      typeof expect?.schema === 'object' ? [{ path: ['loads', name, ...at, 'expect', 'schema'], schema: expect.schema }] : [],
    )
  })
  if (found.length === 0) return
  const compile = await schemaCompiler()
  for (const { path, schema } of found) {
    const compiled = compile(schema)
    if ('problem' in compiled) report(placeOf(root, path), keyOf(root, path), `cannot be used: ${compiled.problem}`)
  }
}

type Asked = readonly [Path, { readonly expect?: { readonly schema?: string | Readonly<Record<string, unknown>> | undefined } | undefined }]
