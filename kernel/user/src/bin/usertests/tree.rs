//! Files that are made and written, directories, and paths.

use alloc::ffi::CString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use alloc::{format, string::String};
use core::ffi::CStr;

use user::file::{self, Entry, Mode};
use user::syscall::{self, Errno, number};
use user::thread;

use super::pointers::{BAD, call, with_page};
use super::without_loss;

pub(crate) const CASES: &[super::Case] = &[
    ("a new file keeps what is written", new_file),
    ("a file lives on without its name", unlinked),
    ("a file of the archive can be changed", archive),
    ("a written file can be mapped as it is then", mapped),
    ("directories hold names", directories),
    ("a removed directory is not found", removed),
    ("a listing comes in pieces", listing),
    ("names and numbers of files have limits", limits),
    ("a full file system says so", full),
    ("threads write to one descriptor", shared),
    ("copies of a descriptor share its position", copies),
    ("bad pointers are refused and nothing is made", bad_pointers),
];

fn read_all(fd: i32) -> Vec<u8> {
    let mut text = Vec::new();
    let mut buffer = [0; 1000];
    loop {
        match syscall::read(fd, &mut buffer).expect("it can be read") {
            0 => return text,
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
}

fn new_file() {
    let bytes: Vec<u8> = (0..10_000_u32).map(|n| n as u8).collect();
    without_loss(|| {
        file::create(c"/new").expect("a file can be made");
        assert_eq!(file::create(c"/new"), Err(Errno::EEXIST));
        let fd = file::open_for(c"new", Mode::ReadWrite).expect("it is there");
        assert_eq!(syscall::read(fd, &mut [0; 4]), Ok(0), "it is empty");
        assert_eq!(syscall::write(fd, &bytes), Ok(bytes.len()));
        assert_eq!(syscall::tell(fd), Ok(bytes.len()));
        assert_eq!(syscall::seek(fd, 0, 0), Ok(0));
        assert_eq!(read_all(fd), bytes);
        // A hole reads as zeros.
        assert_eq!(syscall::seek(fd, 50_000, 0), Ok(50_000));
        assert_eq!(syscall::write(fd, b"end"), Ok(3));
        assert_eq!(syscall::seek(fd, 30_000, 0), Ok(30_000));
        let mut hole = [1; 16];
        assert_eq!(syscall::read(fd, &mut hole), Ok(16));
        assert_eq!(hole, [0; 16]);
        let stat = file::stat(c"/new").expect("it is there");
        assert_eq!((stat.kind, stat.size), (0, 50_003));
        assert_eq!(file::fsync(fd), Ok(()));
        syscall::close(fd).expect("it is open");
        let fd = file::open_for(c"/new", Mode::Write).expect("it is there");
        assert_eq!(syscall::read(fd, &mut hole), Err(Errno::EINVAL));
        syscall::close(fd).expect("it is open");
        file::unlink(c"/new").expect("it is there");
        assert_eq!(syscall::open(c"/new"), Err(Errno::ENOENT));
    });
}

fn unlinked() {
    without_loss(|| {
        file::create(c"gone").expect("a file can be made");
        let fd = file::open_for(c"gone", Mode::ReadWrite).expect("it is there");
        file::unlink(c"gone").expect("it is there");
        assert_eq!(file::stat(c"gone"), Err(Errno::ENOENT));
        assert_eq!(syscall::write(fd, b"still here"), Ok(10));
        file::create(c"gone").expect("the name is free");
        assert_eq!(syscall::seek(fd, 0, 0), Ok(0));
        assert_eq!(read_all(fd), b"still here");
        syscall::close(fd).expect("it is open");
        assert_eq!(file::stat(c"gone").map(|stat| stat.size), Ok(0));
        file::unlink(c"gone").expect("it is there");
    });
}

fn archive() {
    let fd = syscall::open(c"/data.txt").expect("the file is there");
    let mut expected = read_all(fd);
    let writer = file::open_for(c"/data.txt", Mode::Write).expect("it can be written");
    assert_eq!(syscall::seek(writer, 5000 - 4096, 0), Ok(904));
    assert_eq!(syscall::write(writer, b"CHANGED"), Ok(7));
    expected[904..911].copy_from_slice(b"CHANGED");
    assert_eq!(syscall::seek(fd, 0, 0), Ok(0));
    assert!(read_all(fd) == expected, "another descriptor sees it");
    syscall::close(writer).expect("it is open");
    syscall::close(fd).expect("it is open");
}

fn mapped() {
    const PLACE: usize = 0x30_0000_0000;
    without_loss(|| {
        file::create(c"mapped").expect("a file can be made");
        let fd = file::open_for(c"mapped", Mode::ReadWrite).expect("it is there");
        assert_eq!(syscall::write(fd, &[7; 5000]), Ok(5000));
        // SAFETY: the place is this case's own.
        let at = unsafe { syscall::raw(number::MMAP, [PLACE, 8192, 3, fd as usize, 0, 0]) };
        assert_eq!(at, PLACE as isize);
        // SAFETY: just mapped, and unmapped below, after the last use.
        let bytes: &mut [u8; 8192] = unsafe { &mut *core::ptr::with_exposed_provenance_mut(PLACE) };
        assert!(bytes[..5000].iter().all(|byte| *byte == 7));
        assert!(bytes[5000..].iter().all(|byte| *byte == 0));
        bytes[0] = 1;
        assert_eq!(syscall::seek(fd, 0, 0), Ok(0));
        assert_eq!(read_all(fd)[0], 7, "the mapping is the program's own");
        // SAFETY: nothing leads into it any more.
        let unmapped = unsafe { syscall::munmap(core::ptr::with_exposed_provenance_mut(PLACE)) };
        unmapped.expect("it is mapped");
        syscall::close(fd).expect("it is open");
        file::unlink(c"mapped").expect("it is there");
    });
}

fn directories() {
    without_loss(|| {
        file::mkdir(c"/dir").expect("a directory can be made");
        file::mkdir(c"/dir/inner/").expect("a directory can be made");
        assert_eq!(file::mkdir(c"dir"), Err(Errno::EEXIST));
        assert_eq!(file::create(c"/dir"), Err(Errno::EEXIST));
        file::create(c"/dir/inner/file").expect("a file can be made");
        assert_eq!(file::chdir(c"/dir/inner/file"), Err(Errno::ENOTDIR));
        assert_eq!(file::chdir(c"/dir/none"), Err(Errno::ENOENT));
        file::chdir(c"/dir/inner").expect("it is a directory");
        let fd = syscall::open(c"file").expect("relative to the directory");
        syscall::close(fd).expect("it is open");
        assert_eq!(file::stat(c"../../data.txt").map(|stat| stat.kind), Ok(0));
        assert_eq!(file::stat(c"..").map(|stat| stat.kind), Ok(1));
        assert_eq!(file::stat(c"."), file::stat(c"/dir/inner"));
        assert_eq!(syscall::open(c"file/x"), Err(Errno::ENOTDIR));
        assert_eq!(syscall::open(c"file/"), Err(Errno::ENOTDIR));
        assert_eq!(file::unlink(c"/dir"), Err(Errno::ENOTEMPTY));
        for path in [c".", c"..", c"/", c"/dir/.."] {
            assert_eq!(file::unlink(path), Err(Errno::EBUSY), "{path:?}");
        }
        file::unlink(c"file").expect("it is there");
        file::chdir(c"/").expect("the root is there");
        file::unlink(c"dir/inner").expect("it is empty");
        file::unlink(c"dir").expect("it is empty");
    });
}

fn removed() {
    file::mkdir(c"/old").expect("a directory can be made");
    file::chdir(c"/old").expect("it is a directory");
    let fd = syscall::open(c".").expect("a directory can be opened");
    file::unlink(c"/old").expect("it is empty");
    file::mkdir(c"/young").expect("another one in its place");
    for path in [c".", c"..", c"file"] {
        assert_eq!(syscall::open(path), Err(Errno::ENOENT), "{path:?}");
    }
    assert_eq!(file::create(c"file"), Err(Errno::ENOENT));
    assert_eq!(
        file::readdir(fd, &mut [Entry::EMPTY; 2]),
        Err(Errno::ENOENT)
    );
    syscall::close(fd).expect("it is open");
    file::chdir(c"/").expect("the root is there");
    file::unlink(c"young").expect("it is empty");
}

fn listing() {
    file::mkdir(c"/list").expect("a directory can be made");
    let names: Vec<String> = (0..7).map(|n| format!("entry-{n}")).collect();
    for name in &names {
        let path = CString::new(format!("/list/{name}")).expect("no zero byte");
        file::create(&path).expect("a file can be made");
    }
    for piece in [1, 2, 9, 20] {
        let fd = syscall::open(c"/list").expect("a directory can be opened");
        let mut seen = Vec::new();
        let mut entries = vec![Entry::EMPTY; piece];
        loop {
            let count = file::readdir(fd, &mut entries).expect("it is a directory");
            if count == 0 {
                break;
            }
            for entry in &entries[..count] {
                assert!(entry.inode > 0);
                seen.push(String::from_utf8_lossy(entry.name()).into_owned());
            }
        }
        assert_eq!(&seen[..2], [".", ".."]);
        assert_eq!(seen[2..], names[..], "in pieces of {piece}");
        syscall::close(fd).expect("it is open");
    }
    let fd = file::open_for(c"/list", Mode::ReadWrite).expect("a directory can be opened");
    assert_eq!(syscall::read(fd, &mut [0; 8]), Err(Errno::EISDIR));
    assert_eq!(syscall::write(fd, b"x"), Err(Errno::EISDIR));
    assert_eq!(syscall::seek(fd, 0, 0), Err(Errno::EINVAL));
    assert_eq!(file::fsync(fd), Ok(()));
    syscall::close(fd).expect("it is open");
    let fd = syscall::open(c"/data.txt").expect("the file is there");
    assert_eq!(
        file::readdir(fd, &mut [Entry::EMPTY; 1]),
        Err(Errno::ENOTDIR)
    );
    syscall::close(fd).expect("it is open");
    assert_eq!(file::fsync(1), Err(Errno::EINVAL), "the console");
    for name in &names {
        let path = CString::new(format!("/list/{name}")).expect("no zero byte");
        file::unlink(&path).expect("it is there");
    }
    file::unlink(c"/list").expect("it is empty");
}

fn limits() {
    let long = CString::new(vec![b'n'; 255]).expect("no zero byte");
    let longer = CString::new(vec![b'n'; 256]).expect("no zero byte");
    let longest = CString::new(vec![b'/'; 5000]).expect("no zero byte");
    file::create(&long).expect("255 bytes are a name");
    file::unlink(&long).expect("it is there");
    let refuse = |path: &CStr| {
        assert_eq!(file::create(path), Err(Errno::ENAMETOOLONG));
        assert_eq!(syscall::open(path), Err(Errno::ENAMETOOLONG));
        assert_eq!(file::unlink(path), Err(Errno::ENAMETOOLONG));
    };
    refuse(&longer);
    refuse(&longest);
    let mut first = None;
    for _ in 0..2 {
        let path = |n| CString::new(format!("file-{n}")).expect("no zero byte");
        let mut count = 0;
        while let Ok(()) = file::create(&path(count)) {
            count += 1;
        }
        assert_eq!(file::mkdir(c"one-more"), Err(Errno::ENOSPC));
        assert_eq!(*first.get_or_insert(count), count, "as many as before");
        (0..count).for_each(|n| file::unlink(&path(n)).expect("it is there"));
    }
}

fn full() {
    without_loss(|| {
        let mut open = Vec::new();
        let refused = 'full: loop {
            file::create(c"large").expect("a file can be made");
            let fd = file::open_for(c"large", Mode::Write).expect("it is there");
            file::unlink(c"large").expect("it is there");
            open.push(fd);
            // A byte a page, up to the greatest length of a file.
            for page in 0..8192_i64 {
                syscall::seek(fd, page * 4096, 0).expect("a place in the file");
                if let Err(why) = syscall::write(fd, b"x") {
                    break 'full why;
                }
            }
            assert_eq!(syscall::seek(fd, 8192 * 4096, 0), Ok(8192 * 4096));
            assert_eq!(syscall::write(fd, b"x"), Err(Errno::ENOSPC), "too long");
            assert_eq!(syscall::tell(fd), Ok(8192 * 4096), "nothing has moved");
        };
        assert_eq!(refused, Errno::ENOSPC);
        // Others still have memory.
        thread::spawn(|| 0).join();
        for fd in open {
            syscall::close(fd).expect("it is open");
        }
    });
}

fn shared() {
    file::create(c"shared").expect("a file can be made");
    let fd = file::open_for(c"shared", Mode::ReadWrite).expect("it is there");
    let writers: Vec<_> = (0..4_u8)
        .map(|own| {
            thread::spawn(move || {
                for _ in 0..50 {
                    assert_eq!(syscall::write(fd, &[own; 64]), Ok(64));
                }
                0
            })
        })
        .collect();
    writers.into_iter().for_each(|thread| {
        thread.join();
    });
    assert_eq!(syscall::seek(fd, 0, 0), Ok(0));
    let text = read_all(fd);
    assert_eq!(text.len(), 4 * 50 * 64);
    let mut counts = [0; 4];
    for record in text.chunks(64) {
        assert!(record.iter().all(|byte| *byte == record[0]), "whole");
        counts[usize::from(record[0])] += 1;
    }
    assert_eq!(counts, [50; 4]);
    syscall::close(fd).expect("it is open");
    file::unlink(c"shared").expect("it is there");
}

fn copies() {
    let fd = syscall::open(c"/data.txt").expect("the file is there");
    let copy = file::dup(fd).expect("a number is free");
    assert!(copy > fd);
    assert_eq!(syscall::seek(fd, 100, 0), Ok(100));
    assert_eq!(syscall::tell(copy), Ok(100));
    file::dup2(fd, 77).expect("the number is one");
    file::dup2(77, 77).expect("onto itself");
    syscall::close(fd).expect("it is open");
    syscall::close(copy).expect("it is open");
    assert_eq!(syscall::tell(77), Ok(100), "open until the last is closed");
    file::dup2(77, 200).expect("the number is one");
    file::dup2(0, 77).expect("what was there is closed");
    assert_eq!(syscall::tell(77), Err(Errno::EINVAL), "the console");
    for new in [256, -1, i32::MAX] {
        assert_eq!(file::dup2(200, new), Err(Errno::EBADF), "{new}");
    }
    assert_eq!(file::dup(99), Err(Errno::EBADF));
    assert_eq!(file::dup2(99, 200), Err(Errno::EBADF));
    assert_eq!(syscall::tell(200), Ok(100), "a refused copy closes nothing");
    syscall::close(77).expect("it is open");
    syscall::close(200).expect("it is open");
    // A bomb of copies: what came out comes back.
    let mut open = Vec::new();
    while let Ok(fd) = file::dup(0) {
        open.push(fd);
    }
    assert_eq!(file::dup(0), Err(Errno::EMFILE));
    open.into_iter()
        .for_each(|fd| syscall::close(fd).expect("it is open"));
}

fn bad_pointers() {
    let paths = [
        number::CREATE,
        number::MKDIR,
        number::UNLINK,
        number::CHDIR,
        number::STAT,
        number::MKFIFO,
    ];
    let fd = syscall::open(c"/").expect("a directory can be opened");
    for at in BAD {
        for number in paths {
            assert_eq!(
                call(number, [at, 0, 0, 0]),
                Err(Errno::EFAULT),
                "{number} at {at:#x}"
            );
        }
        let path = c"/data.txt".as_ptr() as usize;
        assert_eq!(call(number::STAT, [path, at, 0, 0]), Err(Errno::EFAULT));
        let list = [fd as usize, at, 1, 0];
        assert_eq!(call(number::READDIR, list), Err(Errno::EFAULT), "{at:#x}");
    }
    let path = c"/data.txt".as_ptr() as usize;
    static CONSTANT: [u64; 40] = [7; 40];
    let constant = CONSTANT.as_ptr() as usize;
    assert_eq!(
        call(number::STAT, [path, constant, 0, 0]),
        Err(Errno::EFAULT)
    );
    with_page(|page| {
        let straddling = page + 4096 - 16;
        assert_eq!(
            call(number::STAT, [path, straddling, 0, 0]),
            Err(Errno::EFAULT)
        );
        let list = [fd as usize, straddling, 1, 0];
        assert_eq!(call(number::READDIR, list), Err(Errno::EFAULT));
        // The first fits, the second does not.
        let list = [fd as usize, page + 4096 - 300, 2, 0];
        assert_eq!(call(number::READDIR, list), Ok(1));
        for count in [usize::MAX, usize::MAX / 264 + 1] {
            let list = [fd as usize, page, count, 0];
            assert_eq!(call(number::READDIR, list), Err(Errno::EFAULT), "{count}");
        }
    });
    let mut entry = [Entry::EMPTY];
    assert_eq!(file::readdir(fd, &mut entry), Ok(1));
    assert_eq!(entry[0].name(), b"..", "what was refused was not passed");
    syscall::close(fd).expect("it is open");
    // A writer whose buffer goes while it writes gets an error or a count, and nothing breaks.
    let stop = Arc::new(exec_core::sync::atomic::AtomicU32::new(0));
    let inner = Arc::clone(&stop);
    let writer = thread::spawn(move || {
        file::create(c"torn").expect("a file can be made");
        let fd = file::open_for(c"torn", Mode::Write).expect("it is there");
        while inner.load(exec_core::sync::atomic::Ordering::SeqCst) == 0 {
            let written = call(number::WRITE, [fd as usize, 0x20_0000_0000, 4096, 0]);
            assert!(
                matches!(written, Ok(512..=4096) | Err(Errno::EFAULT | Errno::ENOSPC)),
                "{written:?}"
            );
            syscall::seek(fd, 0, 0).expect("a place in the file");
        }
        syscall::close(fd).expect("it is open");
        file::unlink(c"torn").expect("it is there");
        0
    });
    for _ in 0..100 {
        with_page(|_| syscall::yield_now());
    }
    stop.store(1, exec_core::sync::atomic::Ordering::SeqCst);
    writer.join();
}
