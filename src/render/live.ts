// The live tree on a terminal: above it the lines that stay (warnings, notices), below them what moves. It steps aside
// for questions and for other output, and whatever goes wrong while drawing, plain lines take over: a broken screen never
// hides the rollout.
import type { Renderer, Stamped } from '../domain/event.ts'
import { type FrameInput, type FrameSize, frameLines } from './frame.ts'
import { measureLines } from './measure.ts'
import { createPainter } from './painter.ts'
import { createClock, createPlain, plainLine, SIGNS } from './plain.ts'
import { closeAll, followStory, type Story } from './sections.ts'
import { type Output, sinkTo } from './streams.ts'
import { createStyle, type Style } from './style.ts'
import { createTeller, type Told } from './tell.ts'
import { createTree, type Tree } from './tty.ts'
import { createView } from './view.ts'
import { wrap } from './width.ts'

export type LiveOptions = {
  readonly color: boolean
  readonly verbose: boolean
  readonly columns: () => number
  readonly rows: () => number
  /** The operator's clock, as in the events' stamps. */
  readonly now: () => number
}

/** A renderer that draws over itself: it must step aside while somebody else writes to the terminal. */
export interface Screen extends Renderer {
  /** At once and synchronously: the frame is gone, the cursor is at the start of an empty line. */
  suspend(): void
  resume(): void
}

const PAINT_MS = 120
/** While a window is dragged its size is older by the time we hear of it: nothing is drawn until it has come to rest. */
const RESIZE_MS = 350

export function createLive(output: Output, options: LiveOptions): Screen {
  const sink = sinkTo(output)
  const style = createStyle(options.color)
  const size = (): FrameSize => ({ columns: options.columns(), rows: options.rows() })
  const painter = createPainter((text) => sink.write(text), size)
  const teller = createTeller()
  const clock = createClock()
  let story = emptyStory()
  let tree = createTree(story, options.now)
  let above: string[] = []
  let rollout = ''
  let paused = 0
  let asking = false
  let ended = false
  /** The rollout has come to its end: what is drawn is its record. */
  let isOver = false
  let fallback: Renderer | null = null
  let timer: NodeJS.Timeout | null = null

  let known = ''
  let resizedAt = Number.NEGATIVE_INFINITY
  const isBeingResized = (now: number): boolean => {
    const { columns, rows } = size()
    const current = `${columns}×${rows}`
    if (known !== '' && current !== known) resizedAt = now
    known = current
    return now - resizedAt < RESIZE_MS
  }
  const paint = (): void => {
    if (fallback !== null || ended || paused > 0 || asking) return
    guarded(() => {
      const now = options.now()
      if (isBeingResized(now)) return
      painter.paint(frameLines(input(story, tree, now, style, options.columns), size(), style, Math.floor(now / PAINT_MS)), above)
      above = []
    })
  }
  const takenOver = (): Renderer | null => fallback
  /** @returns false when it failed, and plain lines have taken over */
  const guarded = (work: () => void): boolean => {
    try {
      work()
      return true
    } catch {
      fallback = createPlain(output, { color: false, quiet: false, verbose: options.verbose })
      if (timer !== null) clearInterval(timer)
      sink.write(`\r\x1b[J\x1b[?25h${above.map((line) => `${line}\n`).join('')}`)
      above = []
      return false
    }
  }
  /** What is drawn stays as it is, and a new story begins below it. */
  const leave = (): void => {
    // While somebody else has the terminal nothing is drawn; the lines that stay wait.
    if (paused === 0 && !asking) {
      const isWorthIt = story.plan !== null || story.sections.some((section) => section.own.ending() === 'failed')
      const last = { ...input(story, tree, options.now(), style, options.columns), panel: [], foot: [], tail: [] }
      painter.leave(isWorthIt ? frameLines(last, size(), style, 0) : [], above)
      above = []
    }
    story = emptyStory()
    tree = createTree(story, options.now)
    isOver = false
  }
  const onContinue = (): void => painter.forget()
  process.on('SIGCONT', onContinue)

  return {
    on(event) {
      if (fallback !== null) return fallback.on(event)
      const isFollowed = guarded(() => {
        if (event.rollout !== '' && event.rollout !== rollout) {
          if (rollout !== '') leave()
          rollout = event.rollout
        }
        const section = followStory(story, event)
        isOver ||= event.type === 'rollout.closed'
        if (section !== null) tree.show(section)
        const ms = clock(event)
        const told = teller(event)
        if (told !== null && (options.verbose || isKept(event, told)))
          above.push(...(options.verbose ? [plainLine(told, ms, style)] : keptLines(told, style, size().columns)))
        if (event.type === 'question') {
          paint()
          painter.clear()
          asking = true
        } else if (isAfterAnswer(event)) asking = false
      })
      if (!isFollowed) takenOver()?.on(event)
      // The first event shows at once that something happens.
      if (timer === null && !ended) {
        timer = setInterval(paint, PAINT_MS)
        timer.unref()
        paint()
      }
    },
    suspend() {
      paint()
      guarded(() => {
        if (isOver && paused === 0) leave()
        paused += 1
        painter.clear()
      })
    },
    resume() {
      paused = Math.max(0, paused - 1)
      asking = false
      paint()
    },
    async end() {
      if (ended) return
      if (timer !== null) clearInterval(timer)
      process.off('SIGCONT', onContinue)
      if (fallback === null) {
        closeAll(story, 'skipped', options.now())
        await tree.settled()
        paused = 0
        asking = false
        guarded(leave)
      }
      ended = true
      await (fallback ?? sink).end()
    },
  }
}

function emptyStory(): Story {
  return { view: createView(), plan: null, sections: [], undoing: [] }
}

/** Kept above the tree: what a person wants to find again when the tree has moved on. */
function isKept(event: Stamped, told: Told): boolean {
  if (['probe.progress', 'rollout.closed', 'question', 'phase'].includes(event.type)) return false
  if (event.type === 'notice' || event.type === 'gate.judged' || event.type === 'checkpoint.passed') return true
  return told.level === 'warning' || told.level === 'error' || (event.type === 'output' && event.source === 'exec')
}

function keptLines(told: Told, style: Style, columns: number): readonly string[] {
  const text = `${SIGNS[told.level]}${told.host === null ? '' : `${told.host}: `}${told.text}`
  const indent = /^ */.exec(text)?.[0] ?? ''
  const paint = told.level === 'error' ? style.red : told.level === 'warning' ? style.yellow : (line: string) => line
  const lines = wrap(text.trimStart(), Math.max(10, columns - 3 - indent.length))
  return lines.map((line, index) => paint(`${indent}${index === 0 ? '' : '  '}${line}`))
}

/** Something that only happens once a question was answered. */
function isAfterAnswer(event: Stamped): boolean {
  return (
    event.type === 'checkpoint.passed' || event.type === 'undo.opened' || event.type === 'rollout.closed' || event.type === 'batch.started'
  )
}

function input(story: Story, tree: Tree, now: number, style: Style, columns: () => number): FrameInput {
  const { view } = story
  const probe = view.probe === '' ? [] : [view.probeFailed ? style.red(`✖ probe  ${view.probe}`) : `  probe  ${view.probe}`]
  const { measure } = view
  const panel = measure === null ? [] : measureLines(measure.name, measure.progress, Math.max(1, columns() - 1), style)
  return { head: view.intent, ms: now - (view.beganAt ?? now), rows: tree.rows(), panel, foot: probe, tail: view.output }
}
