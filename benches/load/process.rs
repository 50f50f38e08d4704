//! Servers as processes: started, paused while others are measured, looked at through `/proc`, and ended.

use std::fs;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use super::wire::Outcome;

/// `/proc` counts processor time in hundredths of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Where processes run and how urgently, so that driver and server do not take each other's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    /// Processor of the server under measurement.
    pub(crate) server: Option<usize>,
    /// Niceness of server and driver; below zero needs root.
    pub(crate) nice: Option<i32>,
}

/// A running server, which ends with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program. What it prints goes nowhere, and it is told nothing.
    pub(crate) fn start(
        command: &[String],
        environment: &[(String, String)],
        place: Placement,
    ) -> Outcome<Self> {
        Self::start_with(command, environment, place, Stdio::null())
    }

    /// The same for a program that is told something, line by line.
    pub(crate) fn start_told(command: &[String], place: Placement) -> Outcome<(Self, ChildStdin)> {
        let mut process = Self::start_with(command, &[], place, Stdio::piped())?;
        let input = process.child.stdin.take().ok_or("a program without standard input")?;
        Ok((process, input))
    }

    fn start_with(
        command: &[String],
        environment: &[(String, String)],
        place: Placement,
        input: Stdio,
    ) -> Outcome<Self> {
        let mut words: Vec<String> = Vec::new();
        if let Some(nice) = place.nice {
            words.extend(["nice".into(), "-n".into(), nice.to_string()]);
        }
        if let Some(processor) = place.server {
            words.extend(["taskset".into(), "-c".into(), processor.to_string()]);
        }
        words.extend_from_slice(command);
        let (program, arguments) = words.split_first().ok_or("no program to start")?;
        let child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().cloned())
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program} does not start: {error}"))?;
        Ok(Self { child })
    }

    /// Whether it runs still.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Processor time of all its threads so far, user and system.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold spaces; utime and stime are the 12th and 13th word behind it.
        let (_, rest) = stat.rsplit_once(')').ok_or("strange /proc/PID/stat")?;
        let ticks: u32 =
            rest.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u32>().ok()).sum();
        Ok(TICK * ticks)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }

    /// Bytes that live on the heap of a JVM after a full collection. What else it has of memory, such as the stacks of its
    /// threads, is not in it; what it has is mostly room for garbage.
    pub(crate) fn live_heap(&self) -> Outcome<u64> {
        self.ask_jvm("GC.run")?;
        let info = self.ask_jvm("GC.heap_info")?;
        let (_, rest) = info.split_once("used ").ok_or_else(|| format!("strange heap: {info}"))?;
        let (kilobytes, _) = rest.split_once('K').ok_or_else(|| format!("strange heap: {info}"))?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }

    fn ask_jvm(&self, question: &str) -> Outcome<String> {
        let answer = Command::new("jcmd").args([&self.child.id().to_string(), question]).output();
        let answer = answer.map_err(|error| format!("jcmd of the JDK does not start: {error}"))?;
        match answer.status.success() {
            true => Ok(String::from_utf8_lossy(&answer.stdout).into_owned()),
            false => Err(format!("jcmd {question}: {}", String::from_utf8_lossy(&answer.stderr)).into()),
        }
    }

    /// Stops it for a while, so that it takes no time from another one.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        // The shell's own tool instead of a system call, which would need unsafe code.
        let _ = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.resume();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Moves this process to a processor and a niceness of its own, as far as it may.
pub(crate) fn place_driver(processor: Option<usize>, nice: Option<i32>) {
    let own = std::process::id().to_string();
    if let Some(processor) = processor {
        quietly("taskset", &["-a", "-c", "-p", &processor.to_string(), &own]);
    }
    if let Some(nice) = nice {
        quietly("renice", &["-n", &nice.to_string(), "-p", &own]);
    }
}

fn quietly(program: &str, arguments: &[&str]) {
    let _ = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
