// A balancer that cannot be talked to is asked again for two minutes; time in which our own network was gone counts for nothing.
import { describe, expect, it } from 'vitest'
import { RollgateError } from '../../../src/domain/error.ts'
import { type Patience, patiently } from '../../../src/execute/rotation.ts'

function aPatience(more: Partial<Patience> = {}): { readonly patience: Patience; readonly said: string[]; pass(ms: number): void } {
  let now = 0
  const said: string[] = []
  const clock = {
    now: () => now,
    sleep: async (ms: number) => {
      now += ms
    },
  }
  const patience = { clock, signal: new AbortController().signal, waiting: (detail: string) => void said.push(detail), ...more }
  return {
    patience,
    said,
    pass(ms) {
      now += ms
    },
  }
}

const away = (): never => {
  throw new RollgateError('E_BALANCER_UNREACHABLE', 'lb-1 does not answer')
}

describe('patiently', () => {
  it('gives up after two minutes, and tells of each try', async () => {
    const { patience, said } = aPatience()
    await expect(patiently(patience, async () => away())).rejects.toMatchObject({ code: 'E_BALANCER_UNREACHABLE' })
    expect(said).toHaveLength(120)
  })

  it('asks at the first failure whether it is our network, and begins to count when that is back', async () => {
    let gone = 3
    const { patience, pass } = aPatience({
      network: async () => {
        gone -= 1
        pass(110_000)
        return gone >= 0
      },
    })
    let tries = 0
    const result = await patiently(patience, async () => {
      tries += 1
      return tries < 4 ? away() : 'answered'
    })
    // More than five minutes have passed, and none of them counted.
    expect([result, tries]).toEqual(['answered', 4])
  })

  it('throws everything else at once', async () => {
    const { patience, said } = aPatience({ network: async () => true })
    const wrong = async (): Promise<never> => {
      throw new RollgateError('E_BALANCER_SERVER', 'no such server')
    }
    await expect(patiently(patience, wrong)).rejects.toMatchObject({ code: 'E_BALANCER_SERVER' })
    expect(said).toEqual([])
  })
})
