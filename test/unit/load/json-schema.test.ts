// Answers against a JSON Schema: what is not known is refused, an answer is never repeated, and nothing that a target sends makes
// it break. That ajv knows the standard is ajv's to test.
import { describe, expect, test } from 'vitest'
import { schemaCompiler } from '../../../src/util/json-schema.ts'

const compile = await schemaCompiler()

function checkOf(schema: unknown): (value: unknown) => string | null {
  const compiled = compile(schema)
  if ('problem' in compiled) throw new Error(compiled.problem)
  return compiled.check
}

describe('a JSON Schema', () => {
  test('names the place in the schema, and nothing of the answer', () => {
    const check = checkOf({ type: 'object', additionalProperties: { type: 'number' }, properties: { 'a/b': { enum: [1] } } })
    expect(check({ 'a/b': 1, c: 2 })).toBeNull()
    expect(check('secret')).toBe('#/type')
    expect(check({ secret: 'secret' })).toBe('#/additionalProperties/type')
    expect(check({ 'a/b': 2 })).toBe('#/properties/a~1b/enum')
  })

  test.each([
    ['2020-12', { prefixItems: [{ type: 'string' }], items: false }, ['a'], ['a', 1]],
    ['draft-07, where it says so', { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }] }, ['a'], [1]],
    [
      'references inside it',
      { $ref: '#/$defs/n', $defs: { n: { type: ['object', 'number'], properties: { a: { $ref: '#' } } } } },
      { a: 1 },
      { a: 'x' },
    ],
    ['a format is a remark', { type: 'string', format: 'email' }, 'none', 1],
    ['the same name twice', { $id: 'https://example.com/a', type: 'string' }, 'a', 1],
    ['and again', { $id: 'https://example.com/a', type: 'number' }, 1, 'a'],
  ])('%s', (_, schema, good, bad) => {
    const check = checkOf(schema)
    expect([check(good), check(bad) === null]).toEqual([null, false])
  })

  test.each([
    ['a keyword that is not known', { type: 'object', requird: [] }, 'unknown keyword: "requird"'],
    ['one deep inside', { properties: { a: { typ: 'string' } } }, 'unknown keyword: "typ"'],
    ['an unknown type', { type: 'float' }, 'schema is invalid'],
    ['a reference to elsewhere', { $ref: 'https://example.com/s.json' }, "can't resolve reference"],
    ['a reference to nowhere', { $ref: '#/$defs/a' }, "can't resolve reference"],
    ['a broken pattern', { pattern: '(' }, 'regular expression'],
    ['a list that is none', { required: 'a' }, 'schema is invalid'],
    ['no schema at all', ['a'], 'schema'],
  ])('%s is refused', (_, schema, why) => {
    expect(compile(schema)).toMatchObject({ problem: expect.stringMatching(new RegExp(why, 'i')) })
  })

  test('what nests without end is refused, whether it is the answer or the schema', () => {
    const deep = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`) as unknown
    expect(checkOf({ type: 'array', items: { $ref: '#' } })(deep)).not.toBeNull()
    expect(checkOf({ enum: [1] })(deep)).toBe('#/enum')
    expect(compile({ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } })).toEqual({
      problem: 'it leads to itself without end',
    })
  })
})
