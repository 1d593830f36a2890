//! How many sockets this process may hold: each call that is in flight over HTTP/1 needs one, and many systems allow 1,024.

use crate::lane::Ceiling;

/// Descriptors that are not for calls: the store, results, data, plugins, the runtime's own.
const OTHERS: u64 = 64;

/// Raises the limit as far as the system lets everybody. Where it does not, calls are fewer.
pub(super) fn raise_limit() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
}

/// Lowers the ceiling to what the limit allows, `each` descriptors to a call. What the user should know of it.
pub(super) fn respect_limit(ceiling: &Ceiling, each: u64) -> Option<String> {
    let limit = rlimit::Resource::NOFILE.get_soft().ok()?;
    let most = calls(limit, each);
    let wanted = ceiling.limit();
    if wanted <= most {
        return None;
    }
    ceiling.set_limit(most);
    Some(format!(
        "at most {most} calls are in flight instead of {wanted}: this process may open {limit} files; raise the limit \
         (`ulimit -n`, or `nofile` of the service or container)"
    ))
}

fn calls(limit: u64, each: u64) -> usize {
    let calls = limit.saturating_sub(OTHERS) / each.max(1);
    usize::try_from(calls).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_left_for_everything_else() {
        for (limit, each, expected) in [(1_024, 1, 960), (1_024, 2, 480), (65, 1, 1), (10, 1, 1)] {
            assert_eq!(calls(limit, each), expected, "{limit} / {each}");
        }
    }
}
