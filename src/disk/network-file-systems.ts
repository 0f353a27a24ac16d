/**
 * File systems whose server or other clients may change files, or whose locks and syncs are somebody
 * else's promise. `fuse` is among them because its type does not tell a local one from sshfs or s3fs:
 * refusing too much costs an option, refusing too little costs messages.
 */
const names: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x01021997, '9p'],
  [0x00c36400, 'ceph'],
  [0x65735546, 'fuse'],
  [0x5346414f, 'afs'],
  [0x6b414653, 'afs'],
  [0x73757245, 'coda'],
  [0x0bd00bd0, 'lustre'],
  [0x47504653, 'gpfs'],
  [0x19830326, 'beegfs'],
  [0x01161970, 'gfs2'],
  [0x7461636f, 'ocfs2'],
  [0x786f4256, 'vboxsf'],
])

/** The name of a network file system by the type that Linux' statfs gives it; null for any other. */
export function networkFileSystemName(type: number): string | null {
  // The type is a signed word on some machines.
  return names.get(type >>> 0) ?? null
}
