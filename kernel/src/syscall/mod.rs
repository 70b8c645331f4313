//! The system calls: numbers, and who does the work.
//!
//! # Who owns what
//! The modules below have no state of their own but `futex`: they check arguments, copy them, and call
//! those who have. `CALLS` never changes. A call that makes something begins by asking whether the
//! kernel's heap has room.
//!
//! | number | call | number | call |
//! |---|---|---|---|
//! | 0 | exit(code) | 11 | thread_create(name, stack end, entry, argument) |
//! | 1 | open(path, flags) | 12 | thread_join(tid, \*code) |
//! | 2 | read(fd, buffer, n) | 13 | exit_group(status) |
//! | 3 | write(fd, buffer, n) | 0x100 | gettid() |
//! | 4 | seek(fd, offset, whence) | 0x101 | yield() |
//! | 5 | tell(fd) | 0x102 | futex_wait(\*word, expected, timeout_ns) |
//! | 6 | close(fd) | 0x103 | futex_wake(\*word, n) |
//! | 8 | mmap(address, length, protection, fd, offset) | 0x104 | clock() |
//! | 9 | munmap(address) | 0x105 | cpu_count() |
//! | 10 | fork() → child or 0 | 0x110 / 0x111 | spawn(path, argv) → child / exec(path, argv) |
//! | | | 0x112 | waitpid(pid or -1, \*news, options) |
//! | | | 0x113 / 0x114 | getpid() / getppid() |
//! | | | 0x115 / 0x116 | getuid() / setuid(uid) |
//! | | | 0x117 / 0x118 | getgid() / setgid(gid) |
//! | | | 0x119 / 0x11f | kill(pid, signal) / tkill(tid, signal) |
//! | | | 0x11a | sigaction(signal, handler, mask, restorer) → old handler |
//! | | | 0x11b | sigmask(how, mask) → old mask |
//! | | | 0x11c | sigreturn() |
//! | | | 0x120 / 0x121 | getrlimit(resource, \*out) / setrlimit(resource, \*in) |
//! | | | 0x122 | set_thread_pointer(base) |
//! | | | 0x11d / 0x11e | sigpending() / sigsuspend(mask) |
//! | | | 0x106 | thread_stats(tid, \*out) |
//! | | | 0x107 | shutdown(value) |
//! | | | 0x108 | thread_detach(tid) |
//! | | | 0x109 | free_memory() in pages |
//! | 7 | pipe(\*fds) | 14–17 | create, mkdir, unlink, chdir(path) |
//! | 18 | readdir(fd, \*entries, n) | 19 / 20 | stat(path, \*out) / fsync(fd) |
//! | 0x140 / 0x141 | dup(fd) / dup2(fd, new) | 0x142 | mkfifo(path) |
//! | 0x143 | socket_listen(name, backlog) | 0x144 | socket_connect(name, timeout_ns) |
//! | 0x145 | socket_accept(fd, timeout_ns) | 0x148 | region_create(length, rights) |
//! | 0x149 | region_map(id, address, protection) | 0x14a | region_destroy(id) |
//! | 0x150 | semaphore_create(value, rights) | 0x151 | semaphore_wait(id, timeout_ns) |
//! | 0x152 | semaphore_post(id, n) | 0x153 | semaphore_destroy(id) |
//! | 0x158 | mailbox_create(messages, length, rights) | 0x159 | mailbox_send(id, bytes, n, timeout_ns) |
//! | 0x15a | mailbox_receive(id, buffer, n, timeout_ns) | 0x15b | mailbox_destroy(id) |
//! | 0x160 | message_send(pid, bytes, n, timeout_ns) | 0x161 | message_receive(buffer, n, timeout_ns) |
//! | 0x180 | sched_set_policy(pid, policy) | 0x181 | sched_set_nice(pid, nice) |
//! | 0x182 | sched_set_affinity(tid, cpus) | 0x183 | thread_list(\*entries, n) |
//! | 0x184 | sched_set_thread_nice(tid, nice) | 0x188 | trace_switch(on) |
//! | 0x189 | trace_read(cpu, \*entries, n) | 0x18a | trace_write(buffer, n) |

pub(crate) mod entry;
mod file;
mod futex;
mod ipc;
mod machine;
mod memory;
mod process;
mod schedule;
mod signal;
mod thread;

use kcore::{Errno, frame::TrapFrame};

use crate::{
    arch::{clock, cpu},
    mm::heap,
};

type Result = core::result::Result<u64, Errno>;

/// A system call as the entry code calls it: arguments in order, result or negated error number.
type Call = extern "C" fn(u64, u64, u64, u64, u64) -> u64;

/// One more than the greatest number.
const COUNT: usize = 0x1a0;

/// The functions by number.
static CALLS: [Call; COUNT] = {
    let mut calls: [Call; COUNT] = [unknown; COUNT];
    macro_rules! calls {
        ($a:ident $b:ident $c:ident $d:ident $e:ident: $($number:literal => $module:ident::$function:ident($($argument:ident),*) $(if $heap:ident)?;)*) => {
            $(calls[$number] = {
                extern "C" fn call($a: u64, $b: u64, $c: u64, $d: u64, $e: u64) -> u64 {
                    let _ = ($a, $b, $c, $d, $e);
                    $(if !heap::$heap() {
                        return Errno::ENOMEM.to_result();
                    })?
                    match $module::$function($($argument),*) {
                        Ok(value) => value,
                        Err(errno) => {
                            core::hint::cold_path();
                            errno.to_result()
                        }
                    }
                }
                call
            };)*
        };
    }
    calls! {
        a b c d e:
        0 => thread::exit(a);
        1 => file::open(a, b) if has_room;
        2 => file::read(a, b, c);
        3 => file::write(a, b, c);
        4 => file::seek(a, b, c);
        5 => file::tell(a);
        6 => file::close(a);
        7 => file::pipe(a) if has_room;
        8 => memory::mmap(a, b, c, d, e) if has_room;
        9 => memory::munmap(a);
        11 => thread::create(a, b, c, d) if has_room;
        12 => thread::join(a, b);
        13 => thread::exit_group(a);
        14 => file::create(a) if has_room;
        15 => file::mkdir(a) if has_room;
        16 => file::unlink(a);
        17 => file::chdir(a);
        18 => file::readdir(a, b, c);
        19 => file::stat(a, b);
        20 => file::fsync(a);
        0x110 => process::spawn(a, b) if has_room;
        0x112 => process::waitpid(a, b, c);
        0x113 => process::getpid();
        0x114 => process::getppid();
        0x115 => process::getuid();
        0x116 => process::setuid(a);
        0x117 => process::getgid();
        0x118 => process::setgid(a);
        0x119 => signal::kill(a, b);
        0x11a => signal::action(a, b, c, d);
        0x11b => signal::mask(a, b);
        0x11d => signal::pending();
        0x11e => signal::suspend(a);
        0x11f => signal::tkill(a, b);
        0x120 => process::getrlimit(a, b);
        0x121 => process::setrlimit(a, b);
        0x122 => process::set_thread_pointer(a);
        0x100 => thread::gettid();
        0x101 => thread::yield_now();
        0x102 => futex::wait(a, b, c);
        0x103 => futex::wake(a, b);
        0x104 => machine::clock();
        0x105 => machine::cpu_count();
        0x106 => thread::stats(a, b);
        0x107 => machine::shutdown(a);
        0x108 => thread::detach(a);
        0x109 => machine::free_memory();
        0x140 => file::dup(a) if has_room;
        0x141 => file::dup2(a, b) if has_room;
        0x142 => file::mkfifo(a) if has_room;
        0x143 => ipc::socket_listen(a, b) if has_room;
        0x144 => ipc::socket_connect(a, b) if has_room;
        0x145 => ipc::socket_accept(a, b) if has_room;
        0x148 => ipc::region_create(a, b) if has_room;
        0x149 => ipc::region_map(a, b, c) if has_room;
        0x14a => ipc::region_destroy(a);
        0x150 => ipc::semaphore_create(a, b) if has_room;
        0x151 => ipc::semaphore_wait(a, b);
        0x152 => ipc::semaphore_post(a, b);
        0x153 => ipc::semaphore_destroy(a);
        0x158 => ipc::mailbox_create(a, b, c) if has_room;
        0x159 => ipc::mailbox_send(a, b, c, d);
        0x15a => ipc::mailbox_receive(a, b, c, d);
        0x15b => ipc::mailbox_destroy(a);
        0x160 => ipc::message_send(a, b, c, d) if has_room;
        0x161 => ipc::message_receive(a, b, c) if has_room;
        0x180 => schedule::set_policy(a, b);
        0x181 => schedule::set_nice(a, b);
        0x182 => schedule::set_affinity(a, b);
        0x183 => schedule::thread_list(a, b) if has_room;
        0x184 => schedule::set_thread_nice(a, b);
        0x188 => schedule::trace_switch(a) if has_room;
        0x189 => schedule::trace_read(a, b, c) if has_room;
        0x18a => schedule::trace_write(a, b);
    }
    calls[10] = entry::fork;
    calls[0x111] = entry::exec;
    calls[0x11c] = entry::sigreturn;
    calls
};

/// A number that means nothing.
extern "C" fn unknown(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    Errno::ENOSYS.to_result()
}

/// What the way out calls if the thread has something left to do. The frame is complete.
extern "C" fn work(frame: &mut TrapFrame) {
    let thread = cpu::current();
    crate::proc::signal::work(thread, frame);
    thread.accounts().enter_user(clock::counter());
}
