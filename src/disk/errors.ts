const texts: Readonly<Record<string, string>> = {
  EBADF: 'bad file descriptor',
  ECANCELED: 'operation canceled',
  EEXIST: 'file already exists',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  ELOCKED: 'locked by another owner',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
}

/** An error as the operating system would give it; `cause` where something else is behind it. */
export function systemError(
  code: string,
  syscall: string,
  path: string,
  cause?: unknown,
): NodeJS.ErrnoException {
  const text = `${code}: ${texts[code] ?? 'failed'}, ${syscall} '${path}'`
  const error: NodeJS.ErrnoException = new Error(text, cause === undefined ? undefined : { cause })
  error.code = code
  error.syscall = syscall
  error.path = path
  return error
}

/** What every call of a broken or closed writer gets. */
export function canceled(syscall: string, path: string): NodeJS.ErrnoException {
  return systemError('ECANCELED', syscall, path)
}
