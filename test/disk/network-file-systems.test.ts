import assert from 'node:assert/strict'
import { it } from 'node:test'
import { networkFileSystemName } from '../../src/disk/network-file-systems.ts'

it('names network file systems by their type', () => {
  assert.equal(networkFileSystemName(0x6969), 'nfs')
  assert.equal(networkFileSystemName(0xff534d42), 'cifs')
  assert.equal(networkFileSystemName(0xff534d42 | 0), 'cifs')
  assert.equal(networkFileSystemName(0x65735546), 'fuse')
})

it('takes ext4, xfs, btrfs, tmpfs and overlayfs for local', () => {
  for (const type of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630]) {
    assert.equal(networkFileSystemName(type), null)
  }
})
