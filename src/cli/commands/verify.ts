import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { VerifyProblem, VerifyReport } from '../../log/verify.ts'
import type { Attach, CommonOptions } from '../command.ts'
import { exitCode } from '../exit-code.ts'
import { bytes, count } from '../format.ts'
import type { Paint } from '../output.ts'
import { table } from '../table.ts'

const tails = 'tails/'

export function addVerify(program: Command, attach: Attach): void {
  attach<CommonOptions>(
    program
      .command('verify')
      .argument('<dir>', 'the directory of a store that no process has open')
      .description('read every record of a directory and report what is damaged; changes nothing'),
    async ({ output }, _options, [directory = '']) => {
      const [{ isDamaged, verifyDirectory }, { nodeDisk }] = await Promise.all([
        import('../../log/verify.ts'),
        import('../../disk/node.ts'),
      ])
      const report = await verifyDirectory({
        directory: resolve(directory),
        disk: nodeDisk,
      })
      const ok = !isDamaged(report)
      output.result({ ok, ...report }, (paint) => verifyPage(report, paint))
      return ok ? exitCode.done : exitCode.failed
    },
  )
}

/** What is kept on purpose, or removed by the next opening: nothing that was confirmed is missing because of it. */
function isHarmless({ code, segment }: VerifyProblem): boolean {
  return code === 'leftover' || segment.startsWith(tails)
}

export function verifyPage(report: VerifyReport, paint: Paint): string {
  const read =
    `read ${count(report.messages)} messages in ${count(report.records)} records, ` +
    `${count(report.frames)} frames, ${count(report.segments)} segments, ${bytes(report.bytes)}`
  const damage = report.problems.filter((problem) => !isHarmless(problem))
  const harmless = report.problems.filter(isHarmless)
  const blocks = [
    damage.length === 0
      ? `${read}\n${paint('green', 'everything is intact')}`
      : `${read}\n${paint('red', `${count(damage.length)} found`)}`,
  ]
  if (damage.length > 0) {
    const advice = 'Make a copy of the directory before anything else; nothing was changed.'
    blocks.push(problemTable('PROBLEM', damage), advice)
  }
  if (harmless.length > 0) blocks.push(problemTable('NO DAMAGE', harmless))
  if (harmless.some(({ segment }) => segment.startsWith(tails))) {
    blocks.push(
      `Look at what was cut off, then move it away: as long as ${tails} holds any, the exit code is 1.`,
    )
  }
  return blocks.join('\n\n')
}

function problemTable(title: string, problems: readonly VerifyProblem[]): string {
  return table(
    [{ title }, { title: 'SEGMENT' }, { title: 'POSITION', align: 'right' }, { title: 'WHAT' }],
    problems.map(({ code, segment, position, message }) => [code, segment, String(position), message]),
  )
}
