//! Memory in pages of 2 MB instead of 4 KiB, where there is enough of it.
//!
//! With thousands of instances, one failure has the vrrp thread touch megabytes that nothing has
//! touched for hours, a few octets in each page. What that costs is not the reading, it is finding the
//! pages: a miss of the translation look-aside buffer for each, on virtual machines a walk of two
//! tables or an exit to the hypervisor.

use std::fs;
use std::io;
use std::ops::Range;

/// Size of a huge page. It is the same on x86-64 and, with pages of 4 KiB, on AArch64.
const HUGE: usize = 2 << 20;

/// Gathers the heap into huge pages as it is now; what is smaller than one of them stays as it is.
///
/// # Errors
/// EINVAL: the kernel is older than 6.1 or has no transparent huge pages; ENOMEM, EAGAIN: there is no
/// memory that is free in such pieces.
pub fn gather_heap() -> io::Result<()> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    maps.lines().filter_map(heap_area).try_for_each(|area| collapse(&area))
}

/// The addresses of a line of `/proc/PID/maps` (proc(5)) if it is of memory that was allocated: private,
/// written to, of no file; cut to whole huge pages.
fn heap_area(line: &str) -> Option<Range<usize>> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let allocated = fields.next()? == "rw-p" && matches!(fields.nth(3), None | Some("[heap]"));
    let address = |hex| usize::from_str_radix(hex, 16).ok();
    let area = address(start)?.next_multiple_of(HUGE)..address(end)? / HUGE * HUGE;
    (allocated && !area.is_empty()).then_some(area)
}

fn collapse(area: &Range<usize>) -> io::Result<()> {
    // SAFETY: the content of the area is the same before and after, as madvise(2) promises for this
    // advice; if somebody has given it back meanwhile, the call fails.
    let result = unsafe { libc::madvise(area.start as *mut _, area.len(), libc::MADV_COLLAPSE) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_whole_huge_pages_of_allocated_memory() {
        let area = |line| heap_area(line);
        let heap = "55d0c01ff000-55d0c0900000 rw-p 00000000 00:00 0      [heap]";
        assert_eq!(area(heap), Some(0x55d0_c020_0000..0x55d0_c080_0000));
        let arena = "7f0000000000-7f0000400000 rw-p 00000000 00:00 0";
        assert_eq!(area(arena), Some(0x7f00_0000_0000..0x7f00_0040_0000));
        assert_eq!(area("7f0000000000-7f00001ff000 rw-p 00000000 00:00 0"), None, "too small");
        assert_eq!(area("7f0000000000-7f0000400000 r--p 00000000 00:00 0"), None, "read only");
        assert_eq!(area("7ff000000000-7ff000400000 rw-p 00000000 00:00 0  [stack]"), None);
        assert_eq!(area("7f0000000000-7f0000400000 rw-p 00000000 fe:00 12  /lib/x.so"), None);
        assert_eq!(area("nonsense"), None);
    }

    #[test]
    fn what_was_gathered_is_as_it_was() {
        let before: Vec<usize> = (0..2 << 20).collect();
        // Where the kernel has none, nothing happens.
        let _ = gather_heap();
        assert!(before.iter().enumerate().all(|(index, number)| index == *number));
    }
}
