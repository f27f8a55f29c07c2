use std::time::Duration;

use super::*;

fn wanted(command: &str, parameters: &[&str], matching: ProcessMatch) -> TrackProcess {
    TrackProcess {
        name: Arc::from("p"),
        command: command.to_owned(),
        parameters: parameters.iter().map(ToString::to_string).collect(),
        matching,
        least: 1,
        most: None,
        up_delay: Duration::ZERO,
        down_delay: Duration::ZERO,
    }
}

fn process(line: &[&str]) -> Process {
    let line = line.iter().map(|word| word.as_bytes().to_vec()).collect();
    Process { name: b"haproxy".to_vec(), line }
}

#[test]
fn names_and_command_lines_are_compared_as_asked() {
    use ProcessMatch::{Exact, Initial, Name, Partial};
    let with_file = process(&["/usr/sbin/haproxy", "-f", "/etc/haproxy/a.cfg"]);
    let cases = [
        (wanted("haproxy", &[], Name), true),
        (wanted("hapro", &[], Name), false),
        (wanted("/usr/sbin/haproxy", &[], Exact), false),
        (wanted("/usr/sbin/haproxy", &["-f", "/etc/haproxy/a.cfg"], Exact), true),
        (wanted("haproxy", &["-f", "/etc/haproxy/a.cfg"], Exact), false),
        (wanted("/usr/sbin/haproxy", &["-f"], Partial), true),
        (wanted("/usr/sbin/haproxy", &["-"], Partial), false),
        (wanted("/usr/sbin/haproxy", &["-"], Initial), true),
        (wanted("/usr/sbin/haproxy", &["-f", "/etc/ha"], Initial), true),
        (wanted("/usr/sbin/haproxy", &["-", "/etc/ha"], Initial), false),
        (wanted("/usr/sbin/haproxy", &["-f", "/etc/haproxy/a.cfg", "-q"], Initial), false),
    ];
    for (wanted, fits) in cases {
        assert_eq!(with_file.fits(&wanted), fits, "{wanted:?}");
    }
}

/// proc_pid_comm(5): the kernel keeps 15 characters.
#[test]
fn of_a_long_name_the_first_15_characters_count() {
    let process = Process { name: b"a-very-long-nam".to_vec(), line: Vec::new() };
    assert!(process.fits(&wanted("a-very-long-name", &[], ProcessMatch::Name)));
}

#[test]
fn names_may_contain_anything_and_zombies_do_not_run() {
    assert_eq!(running_name(b"7 (a ) Z (b) S 1"), Some(&b"a ) Z (b"[..]));
    assert_eq!(running_name(b"7 (sleep) Z 1"), None);
    assert_eq!(running_name(b""), None);
    assert_eq!(words(b"a\0b c\0\0"), [b"a".to_vec(), b"b c".to_vec(), b"".to_vec()]);
    assert_eq!(words(b""), Vec::<Vec<u8>>::new());
}

#[test]
fn children_are_what_their_parents_are_until_they_change() {
    let mut table = Table::new(vec![wanted("sleep", &[], ProcessMatch::Name)]);
    table.replace([(10, vec![0])].into());
    table.take(ProcessEvent::Forked { parent: 10, child: 11 });
    table.take(ProcessEvent::Forked { parent: 12, child: 13 });
    assert_eq!(table.count(0), 2);
    // No such process: what it was forked as is over.
    table.take(ProcessEvent::Changed(i32::MAX));
    table.take(ProcessEvent::Ended(11));
    table.take(ProcessEvent::Ended(11));
    assert_eq!(table.count(0), 1);
}

#[test]
fn a_scan_finds_this_very_process() {
    let own = fs::read("/proc/self/stat").unwrap();
    let name = String::from_utf8(running_name(&own).unwrap().to_vec()).unwrap();
    let table = Table::new(vec![wanted(&name, &[], ProcessMatch::Name)]);
    let found = scan(table.matcher())();
    assert_eq!(found.get(&std::process::id().cast_signed()), Some(&vec![0]));
}
