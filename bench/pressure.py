"""Another program that fills the page cache with files of its own and comes back to them: pressure.py FOLDER

It reads as many bytes as the machine has memory from a file of holes (so that no disk is kept busy), each piece three times: pages that are
used again push out pages of others that were used before."""
import os
import sys
import tempfile

PIECE = 64 << 20


def main(folder):
    """Read, and leave nothing."""
    with open("/proc/meminfo", encoding="ascii") as info:
        size = int(info.readline().split()[1]) * 1024
    room = memoryview(bytearray(PIECE))
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.truncate(size)
        for at in range(0, size, PIECE):
            for _ in range(3):
                os.preadv(file.fileno(), [room], at)


if __name__ == "__main__":
    main(sys.argv[1])
