import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { VerifyReport } from '../../log/verify.ts'
import type { Attach, CommonOptions } from '../command.ts'
import { exitCode } from '../exit-code.ts'
import { bytes, count } from '../format.ts'
import { table } from '../table.ts'

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

export function verifyPage(
  report: VerifyReport,
  paint: (style: 'red' | 'green', text: string) => string,
): string {
  const read =
    `read ${count(report.messages)} messages in ${count(report.records)} records, ` +
    `${count(report.frames)} frames, ${count(report.segments)} segments, ${bytes(report.bytes)}`
  if (report.problems.length === 0) return `${read}\n${paint('green', 'everything is intact')}`
  const problems = table(
    [{ title: 'PROBLEM' }, { title: 'SEGMENT' }, { title: 'POSITION', align: 'right' }, { title: 'WHAT' }],
    report.problems.map((problem) => [
      problem.code,
      problem.segment,
      String(problem.position),
      problem.message,
    ]),
  )
  const advice = 'Make a copy of the directory before anything else; nothing was changed.'
  return `${read}\n${paint('red', `${count(report.problems.length)} found`)}\n\n${problems}\n\n${advice}`
}
