/** What the house rules look at: the repository's files, and what the compiler sees in the TypeScript ones. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import {
  isCallExpression,
  isExportAssignment,
  isExportDeclaration,
  isExpressionStatement,
  isIdentifier,
  isImportDeclaration,
  isImportTypeNode,
  isLiteralTypeNode,
  isNewExpression,
  isPropertyAccessExpression,
  isStringLiteral,
  type Node,
  type SourceFile,
  SyntaxKind,
} from 'typescript/unstable/ast'
import { API } from 'typescript/unstable/sync'

export interface TextFile {
  /** Relative to the root, with '/'. */
  readonly path: string
  readonly text: string
}

export interface Source extends TextFile {
  /** As written: '../core/errors.ts', 'node:fs', 'commander'. */
  readonly imports: readonly string[]
  /** Functions of every form, but for those that list tests. */
  readonly functions: readonly { readonly name: string; readonly line: number; readonly lines: number }[]
  /** `export *` and default exports. */
  readonly looseExports: readonly string[]
  /** Identifiers and `object.property` pairs, and `new Date()` without an argument. */
  readonly words: ReadonlySet<string>
}

/** Files of the next commit: tracked ones, and new ones that are not ignored. */
export function listFiles(root: string): string[] {
  const out = execFileSync('git', ['ls-files', '-coz', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
  const paths = new Set(out.split('\0').filter((path) => path !== ''))
  return [...paths].filter((path) => existsSync(posix.join(root, path))).sort()
}

/** The text of those files that are text. */
export function readTexts(root: string, paths: readonly string[]): TextFile[] {
  return paths
    .map((path) => ({ path, text: readFileSync(posix.join(root, path), 'utf8') }))
    .filter(({ text }) => !text.includes('\0'))
}

/** The TypeScript files among `paths`, parsed by the compiler with the project's own settings. */
export function readSources(root: string, paths: readonly string[]): Source[] {
  const api = new API({ cwd: root })
  try {
    const snapshot = api.updateSnapshot({ openProjects: [posix.join(root, 'tsconfig.json')] })
    const [project] = snapshot.getProjects()
    if (project === undefined) throw new Error(`${root} has no project`)
    return paths
      .filter((path) => path.endsWith('.ts'))
      .map((path) => {
        const file = project.program.getSourceFile(posix.join(root, path))
        if (file === undefined) throw new Error(`${path} is not in tsconfig.json: nobody checks its types`)
        return inspect(path, file)
      })
  } finally {
    api.close()
  }
}

function inspect(path: string, file: SourceFile): Source {
  const imports: string[] = []
  const functions: Source['functions'][number][] = []
  const looseExports: string[] = []
  const words = new Set<string>()
  const starts = lineStarts(file.text)
  const visit = (node: Node): void => {
    const imported = specifierOf(node)
    if (imported !== null) imports.push(imported)
    if (functionKinds.has(node.kind) && !listsTests(node)) {
      const line = lineAt(starts, node.getStart(file))
      functions.push({ name: nameOf(node), line, lines: lineAt(starts, node.end) - line + 1 })
    }
    if (isExportDeclaration(node) && node.exportClause === undefined) looseExports.push('export *')
    if (isExportAssignment(node) || node.kind === SyntaxKind.DefaultKeyword)
      looseExports.push('export default')
    const word = wordOf(node)
    if (word !== null) words.add(word)
    node.forEachChild(visit)
  }
  visit(file)
  return { path, text: file.text, imports, functions, looseExports, words }
}

const functionKinds: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
])

/** A function that registers tests is a list, not a piece of logic; the tests in it are measured one by one. */
function listsTests(node: Node): boolean {
  const { body } = node as { body?: Node }
  let found = false
  body?.forEachChild((statement) => {
    if (!isExpressionStatement(statement) || !isCallExpression(statement.expression)) return
    const { expression } = statement.expression
    found ||= isIdentifier(expression) && ['test', 'it', 'describe'].includes(expression.text)
  })
  return found
}

/** What a node imports, statically, by `import()` or as a type. */
function specifierOf(node: Node): string | null {
  let specifier: Node | undefined
  if (isImportDeclaration(node) || isExportDeclaration(node)) specifier = node.moduleSpecifier
  else if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword)
    specifier = node.arguments[0]
  else if (isImportTypeNode(node) && isLiteralTypeNode(node.argument)) specifier = node.argument.literal
  return specifier !== undefined && isStringLiteral(specifier) ? specifier.text : null
}

function wordOf(node: Node): string | null {
  if (isIdentifier(node)) return node.text
  if (isPropertyAccessExpression(node) && isIdentifier(node.expression)) {
    return `${node.expression.text}.${node.name.text}`
  }
  if (isNewExpression(node) && isIdentifier(node.expression) && (node.arguments?.length ?? 0) === 0) {
    return `new ${node.expression.text}()`
  }
  return null
}

function nameOf(node: Node): string {
  const { name } = node as { name?: Node }
  return name !== undefined && 'text' in name ? String(name.text) : SyntaxKind[node.kind]
}

function lineStarts(text: string): number[] {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

/** The line of a position, from 1. */
function lineAt(starts: readonly number[], position: number): number {
  const after = starts.findIndex((start) => start > position)
  return after < 0 ? starts.length : after
}
