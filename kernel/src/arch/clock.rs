//! Time: the processor's time-stamp counter, measured against the PIT.
//!
//! # Protocol
//! The PIT counts down from 65,535 once, at 1,193,182 Hz. Its counter is latched and read between two
//! reads of the time-stamp counter; of several such samples the one with the narrowest bracket is
//! kept. Two samples about 20 ms apart give the frequency. The length of the window does not matter,
//! so a host that takes the CPU away in between does no harm. A result within 100 ppm of a whole
//! number of MHz is taken to be that: under `-icount shift=0` the counter is exactly 1,000 MHz.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use kcore::sched::TICK_NS;
use x86_64::instructions::port::Port;

use crate::arch::{cpu, lapic};

const PIT_HZ: u64 = 1_193_182;
const PIT_CHANNEL_2: u16 = 0x42;
const PIT_COMMAND: u16 = 0x43;
const GATE: u16 = 0x61;
const WINDOW_STEPS: u16 = 24_000;
const SAMPLES: usize = 8;

/// Nanoseconds a counter step, times 2^32.
static NS_PER_STEP: AtomicU64 = AtomicU64::new(0);
/// The counter when the clock was zero.
static BASE: AtomicU64 = AtomicU64::new(0);
/// Ticks that all CPUs have seen.
static TICKS_SEEN: AtomicU32 = AtomicU32::new(0);
/// APIC timer steps a tick.
static TIMER_STEPS: AtomicU32 = AtomicU32::new(0);

/// The time-stamp counter.
#[inline(always)]
pub(crate) fn counter() -> u64 {
    // SAFETY: every x86-64 processor has it, and the kernel may always read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Nanoseconds since the clock was calibrated. All CPUs agree: QEMU gives them one counter.
#[inline]
pub(crate) fn now_ns() -> u64 {
    // ORDERING: Relaxed: written once, before the other CPUs start.
    to_ns(counter().saturating_sub(BASE.load(Ordering::Relaxed)))
}

/// Nanoseconds in `steps` of the counter.
#[inline]
pub(crate) fn to_ns(steps: u64) -> u64 {
    // ORDERING: Relaxed: as in `now_ns`.
    let scaled = u128::from(steps) * u128::from(NS_PER_STEP.load(Ordering::Relaxed));
    (scaled >> 32) as u64
}

/// Spins for a time.
pub(crate) fn spin_for(ns: u64) {
    let end = now_ns() + ns;
    while now_ns() < end {
        core::hint::spin_loop();
    }
}

/// Starts the tick on the calling CPU.
pub(crate) fn start_tick() {
    lapic::start_tick(TIMER_STEPS.load(Ordering::Relaxed));
}

/// Lets the other CPUs come to their tick, where they are not really there.
///
/// Under `-icount` QEMU runs one CPU after the other, each until the next timer; when that has come the
/// next CPU has no time left and is passed over. A CPU that pauses hands on what is left. So every CPU
/// but the last to see a tick pauses once: then each sees it at once, and the time until the next
/// tick goes to one of them after the other.
pub(crate) fn share_tick() {
    // ORDERING: Relaxed: only the number matters.
    let seen = TICKS_SEEN.fetch_add(1, Ordering::Relaxed) + 1;
    if !seen.is_multiple_of(cpu::count()) {
        core::hint::spin_loop();
    }
}

/// Three clocks at one moment.
struct Sample {
    tsc: u64,
    width: u64,
    pit: u16,
    timer: u32,
}

/// Measures the counter and the APIC timer; the calling CPU is the first one.
pub(crate) fn calibrate() {
    start_pit();
    lapic::start_count();
    let first = sample();
    while first.pit.wrapping_sub(read_pit()) < WINDOW_STEPS {
        core::hint::spin_loop();
    }
    let last = sample();

    let pit_steps = u64::from(first.pit.wrapping_sub(last.pit));
    let hz = to_whole_mhz((last.tsc - first.tsc) * PIT_HZ / pit_steps);
    let timer_hz = to_whole_mhz(u64::from(last.timer - first.timer) * 16 * PIT_HZ / pit_steps) / 16;
    assert!(hz > 0 && timer_hz > 1000, "the clocks stand still");
    NS_PER_STEP.store(
        ((1_000_000_000u128 << 32) / u128::from(hz)) as u64,
        Ordering::Relaxed,
    );
    BASE.store(last.tsc, Ordering::Relaxed);
    TIMER_STEPS.store(
        (timer_hz * TICK_NS / 1_000_000_000) as u32,
        Ordering::Relaxed,
    );
}

/// The sample with the narrowest bracket of some.
fn sample() -> Sample {
    let one = || {
        let before = counter();
        let pit = read_pit();
        let timer = lapic::counted();
        let width = counter() - before;
        Sample {
            tsc: before + width / 2,
            width,
            pit,
            timer,
        }
    };
    let first = one();
    (1..SAMPLES).map(|_| one()).fold(
        first,
        |best, next| if next.width < best.width { next } else { best },
    )
}

fn to_whole_mhz(hz: u64) -> u64 {
    let mhz = (hz + 500_000) / 1_000_000 * 1_000_000;
    if hz.abs_diff(mhz) * 10_000 <= hz {
        mhz
    } else {
        hz
    }
}

/// Counts down from the greatest value, speaker off.
fn start_pit() {
    let gate = read_port(GATE) & !0b10 | 1;
    write_port(GATE, gate);
    write_port(PIT_COMMAND, 0b1011_0000);
    write_port(PIT_CHANNEL_2, 0xff);
    write_port(PIT_CHANNEL_2, 0xff);
}

fn read_pit() -> u16 {
    write_port(PIT_COMMAND, 0b1000_0000);
    let low = read_port(PIT_CHANNEL_2);
    let high = read_port(PIT_CHANNEL_2);
    u16::from_le_bytes([low, high])
}

fn read_port(port: u16) -> u8 {
    let mut port = Port::<u8>::new(port);
    // SAFETY: the ports of the interval timer, of which this module is the only user.
    unsafe { port.read() }
}

fn write_port(port: u16, value: u8) {
    let mut port = Port::<u8>::new(port);
    // SAFETY: as for `read_port`.
    unsafe { port.write(value) };
}
