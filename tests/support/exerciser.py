"""A program that changes a directory without end and knows what each call must come to; run at the top of a view."""

# Of each round: eight changes, each of which has one right answer, an append of its number, and a read of an unlinked file.
# `answer` is how often each went, and the longest that one round took.
EXERCISER = """
    os.mkdir(f'home/{place}')
    os.chdir(f'home/{place}')
    log = os.open('log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nameless = os.open('nameless', os.O_RDWR | os.O_CREAT)
    os.unlink('nameless')
    release = os.open('../../releases/sky/dr2/cubes/deep.fits', os.O_RDONLY)
    Path('started').touch()
    done, longest, begin = 0, 0.0, time.monotonic()
    while done < rounds and not os.path.exists('stop'):
        os.mkdir('d')
        try: os.mkdir('d')
        except FileExistsError: pass
        else: raise AssertionError('made twice')
        fd = os.open('d/f', os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        os.write(fd, b'text')
        os.write(log, b'%09d\\n' % done)
        os.link('d/f', 'd/g')
        os.rename('d/g', 'd/h')
        os.symlink('there', 'd/l')
        os.write(fd, b'more')
        os.close(fd)
        assert os.stat('d/f').st_nlink == 2 and Path('d/f').read_bytes() == b'textmore'
        os.rename('d/f', 'd/h')
        os.rename('d/l', 'd/h')
        assert os.listdir('d') in (['f', 'h'], ['h']), os.listdir('d')
        for name in os.listdir('d'): os.unlink('d/' + name)
        try: os.unlink('d/h')
        except FileNotFoundError: pass
        else: raise AssertionError('removed twice')
        os.pwrite(nameless, b'%09d' % done, 0)
        assert os.pread(nameless, 9, 0) == b'%09d' % done and os.fstat(nameless).st_nlink == 0
        assert os.pread(release, 256, 256 * (done % 4096)) == bytes(range(256))
        os.posix_fadvise(release, 0, 0, os.POSIX_FADV_DONTNEED)
        os.rmdir('d')
        done += 1
        begin, longest = time.monotonic(), max(longest, time.monotonic() - begin)
    assert Path('log').read_bytes() == b''.join(b'%09d\\n' % n for n in range(done)), 'the log is not what was appended'
    answer = [done, longest]
"""
OPERATIONS_A_ROUND = 22
