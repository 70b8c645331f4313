//! Makes a process from a file, or a fresh program of a process that is there.
//!
//! A file that nobody has written to stays where it is, in the initrd: its segments become mappings that
//! copy their pages on first touch. One that was written is copied as a whole.
//!
//! # Exec
//! The new memory is made before anything of the old is given up, so an error leaves the program as it
//! was. Then the calling thread becomes the only one: the others are told to leave, as in
//! exit_group, and it waits until they have. Handlers are forgotten, files stay open.

use alloc::{borrow::Cow, string::String, sync::Arc, vec::Vec};

use kcore::{
    Backing, DirectoryId, Errno, FileBytes, PAGE_SIZE, Protection, Region, SignalSet, UserRange,
    exec::{ExecError, STACK_END, STACK_LEN, StackImage},
    frame::{Entry, INITIAL_VECTORS, TrapFrame},
    program::Program,
};

use crate::{
    fs::{descriptors::Descriptors, root},
    mm::address_space::{self, AddressSpace},
    proc::{
        exit, family,
        process::Process,
        table,
        thread::{NAME_LEN, Start, Thread},
    },
    sched,
};

/// A program that could start.
struct Image {
    space: Arc<AddressSpace>,
    entry: Entry,
}

/// Starts the first process; the first argument is the program.
///
/// # Errors
/// As for [`load`].
pub(crate) fn start_first(arguments: &[String]) -> Result<(), ExecError> {
    let path = arguments[0].as_bytes();
    let image = load(root::directory(), path, arguments)?;
    let process = family::add(0, |pid| {
        let space = Arc::clone(&image.space);
        Arc::new(Process::new(pid, None, space, Descriptors::with_console()))
    })
    .map_err(|_| ExecError::TooMany)?;
    start(
        &process,
        &image.space,
        path,
        &Start::fresh(image.entry, SignalSet::EMPTY),
    )
    .map_err(|_| ExecError::TooMany)
}

/// Makes a child of the calling process that runs the program at `path`; returns its number.
///
/// # Errors
/// As for [`load`]; `EAGAIN` if there are too many processes or threads.
pub(crate) fn spawn(thread: &Thread, path: &[u8], arguments: &[Vec<u8>]) -> Result<u32, Errno> {
    let parent = thread.process();
    let files = parent.files.lock().duplicate()?;
    let image = load(files.directory, path, arguments)?;
    // Dropped here, not under the family's lock, if there is no room for the child.
    let mut files = Some(files);
    let child = family::add(parent.pid(), |pid| {
        let files = files.take().expect("invariant: called once");
        let space = Arc::clone(&image.space);
        Arc::new(Process::new(pid, Some(parent), space, files))
    })?;
    child.signals.dispositions.lock().forget_handlers();
    match start(
        &child,
        &image.space,
        path,
        &Start::fresh(image.entry, thread.mask.get()),
    ) {
        Ok(()) => Ok(child.pid()),
        Err(error) => {
            family::remove(parent, &child);
            Err(error)
        }
    }
}

fn start(
    process: &Arc<Process>,
    space: &Arc<AddressSpace>,
    path: &[u8],
    start: &Start<'_>,
) -> Result<(), Errno> {
    let (thread, _) = table::create(process, space, name_of(path), start)?;
    sched::admission::submit(thread);
    Ok(())
}

/// Gives the calling thread's process the program at `path`; `frame` is where it starts.
///
/// # Errors
/// As for [`load`]; `EINTR` if the process ends, or another thread does the same.
///
/// # Blocking
/// Until all other threads have left.
pub(crate) fn exec(
    thread: &'static Thread,
    path: &[u8],
    arguments: &[Vec<u8>],
    frame: &mut TrapFrame,
) -> Result<(), Errno> {
    let process = thread.process();
    let directory = process.files.lock().directory;
    let image = load(directory, path, arguments)?;
    exit::become_the_only_thread(thread)?;
    let old = process.replace_space(Some(Arc::clone(&image.space)));
    let own = thread.replace_space(Some(Arc::clone(&image.space)));
    address_space::load(&image.space);
    drop((old, own));
    process.signals.dispositions.lock().forget_handlers();
    thread.set_name(name_of(path));
    thread.set_vectors(&INITIAL_VECTORS);
    sched::set_own_user_bases([0; 2]);
    *frame = image.entry.into();
    Ok(())
}

/// What a thread is called that runs the program at this path.
fn name_of(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    &name[..name.len().min(NAME_LEN)]
}

/// Makes the memory of a program and of its arguments.
///
/// # Errors
/// See [`ExecError`].
fn load(
    directory: DirectoryId,
    path: &[u8],
    arguments: &[impl AsRef<[u8]>],
) -> Result<Image, ExecError> {
    let file = root::program(directory, path).map_err(ExecError::Path)?;
    let program = Program::parse(&file)?;
    let space = address_space::empty()?;
    for segment in &program.segments {
        let (pages, protection) = (segment.pages, segment.protection);
        if let Cow::Borrowed(whole) = file {
            // The same bytes as the segment's, which the parser only borrows from `file`.
            let start = segment.bytes.as_ptr() as usize - whole.as_ptr() as usize;
            let backing = Backing::File(FileBytes {
                bytes: &whole[start..start + segment.bytes.len()],
                address: segment.address,
            });
            map(&space, pages, protection, backing)?;
        } else {
            map(&space, pages, protection, Backing::Zero)?;
            let bytes = FileBytes {
                bytes: segment.bytes,
                address: segment.address,
            };
            let mut contents = alloc::vec![0; PAGE_SIZE as usize];
            for page in (pages.start()..pages.end()).step_by(PAGE_SIZE as usize) {
                contents.fill(0);
                if bytes.fill(page, &mut contents) {
                    space.preset(page, &contents)?;
                }
            }
        }
    }
    let stack = UserRange::new(STACK_END - STACK_LEN, STACK_LEN)
        .expect("invariant: the stack is user memory");
    map(&space, stack, Protection::READ_WRITE, Backing::Zero)?;
    let top = StackImage::new(arguments)?;
    for (page, contents) in top.pages() {
        space.preset(page, contents)?;
    }
    Ok(Image {
        entry: Entry {
            at: program.entry,
            stack: top.stack_pointer,
            arguments: [arguments.len() as u64, top.argv],
        },
        space: Arc::new(space),
    })
}

fn map(
    space: &AddressSpace,
    range: UserRange,
    protection: Protection,
    backing: Backing,
) -> Result<(), ExecError> {
    let region = Region {
        range,
        protection,
        backing,
        shared: false,
        dying: false,
    };
    Ok(space.map(region)?)
}
