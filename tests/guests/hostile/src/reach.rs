//! Attacks that grasp at what lies outside of the guest. Each answers with a label that says what it got: the error's
//! text where it was denied, so that a test can tell a denial from a success.

use std::collections::hash_map::RandomState;
use std::fmt::Debug;
use std::hash::BuildHasher;
use std::io::Read;
use std::time::{Instant, SystemTime};

use wasip2::cli::environment::initial_cwd;
use wasip2::cli::terminal_stderr::get_terminal_stderr;
use wasip2::cli::terminal_stdin::get_terminal_stdin;
use wasip2::cli::terminal_stdout::get_terminal_stdout;
use wasip2::clocks::monotonic_clock;
use wasip2::filesystem::preopens::get_directories;
use wasip2::random::insecure::{get_insecure_random_bytes, get_insecure_random_u64};
use wasip2::random::insecure_seed::insecure_seed;
use wasip2::random::random::get_random_u64;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp_create_socket::create_udp_socket;

use crate::{Score, label};

/// Also counts the folders that the host gave; the C library reads through those alone.
pub fn file() -> Score {
    let folders = get_directories().len();
    match std::fs::read("/etc/passwd") {
        Ok(_) => label("read it"),
        Err(error) => label(format!("denied: {error}, {folders} folders")),
    }
}

pub fn new_file() -> Score {
    outcome("wrote it", std::fs::write("/tmp/hostile", "was here"))
}

pub fn working_folder() -> Score {
    match initial_cwd() {
        Some(folder) => label(folder),
        None => label("denied: there is none"),
    }
}

pub fn stdin() -> Score {
    let mut text = String::new();
    match std::io::stdin().read_to_string(&mut text) {
        Ok(bytes) => label(format!("{bytes} bytes")),
        Err(error) => label(format!("denied: {error}")),
    }
}

pub fn terminals() -> Score {
    let found = [
        get_terminal_stdin().is_some(),
        get_terminal_stdout().is_some(),
        get_terminal_stderr().is_some(),
    ];
    let count = found.into_iter().filter(|found| *found).count();
    label(format!("{count} terminals"))
}

pub fn environment() -> Score {
    label(format!(
        "{} variables, {} arguments",
        std::env::vars_os().count(),
        std::env::args_os().count()
    ))
}

/// Reads each clock thrice. The text differs from run to run wherever a real clock shows through.
pub fn clock() -> Score {
    let start = Instant::now();
    let wall = |_| match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_nanos().to_string(),
        Err(_) => "before 1970".to_owned(),
    };
    let walls: Vec<String> = (0..3).map(wall).collect();
    let ticks: Vec<String> = (0..3)
        .map(|_| start.elapsed().as_nanos().to_string())
        .collect();
    label(format!(
        "wall {} ns, monotonic {} ns",
        walls.join(" "),
        ticks.join(" ")
    ))
}

/// The seeds of the standard library's hash maps, and the secure random numbers.
pub fn random() -> Score {
    let hash = RandomState::new().hash_one(0_u8);
    label(format!("{hash:016x} {:016x}", get_random_u64()))
}

/// Those that do not claim to be secure, and their seed.
pub fn insecure_random() -> Score {
    let (first, second) = insecure_seed();
    let bytes = get_insecure_random_bytes(4);
    let number = get_insecure_random_u64();
    label(format!(
        "{first:016x} {second:016x} {bytes:02x?} {number:016x}"
    ))
}

/// What a handle is called, and never given back: a later call must not see that there was one.
pub fn handles() -> Score {
    let first = monotonic_clock::subscribe_duration(1);
    let name = label(format!("the first is {}", first.handle()));
    std::mem::forget(first);
    name
}

pub fn datagrams() -> Score {
    outcome("has a socket", create_udp_socket(IpAddressFamily::Ipv4))
}

pub fn socket() -> Score {
    outcome("connected", connect())
}

pub fn name_lookup() -> Score {
    outcome("resolved", resolve("localhost"))
}

fn connect() -> Result<(), ErrorCode> {
    let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
    let address = IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: 1,
        address: (127, 0, 0, 1),
    });
    socket.start_connect(&instance_network(), address)?;
    socket.subscribe().block();
    socket.finish_connect().map(|_| ())
}

fn resolve(name: &str) -> Result<(), ErrorCode> {
    let addresses = resolve_addresses(&instance_network(), name)?;
    addresses.subscribe().block();
    addresses.resolve_next_address().map(|_| ())
}

fn outcome<T, E: Debug>(success: &str, result: Result<T, E>) -> Score {
    match result {
        Ok(_) => label(success),
        Err(error) => label(format!("denied: {error:?}")),
    }
}
