use super::*;

fn sink(room: usize) -> (Sink, Receiver<Line>) {
    let (queue, lines) = sync_channel(room);
    (Sink { queue, dropped: Arc::default() }, lines)
}

#[test]
fn a_full_queue_drops_and_counts_instead_of_waiting() {
    let (sink, _nobody_reads) = sink(2);
    let make = MakeLine { sink: sink.clone(), syslog: None };
    for _ in 0..5 {
        make.line(Level::INFO).write_all(b"line\n").unwrap();
    }
    assert_eq!(sink.dropped.load(Ordering::Relaxed), 3);
}

/// A writer that hangs in its sink takes nothing from the queue and does not end.
#[test]
fn a_stalled_sink_does_not_keep_the_program_from_ending() {
    let (queue, lines) = sync_channel(2);
    let (release, stalled) = sync_channel::<()>(0);
    let writer = std::thread::spawn(move || {
        let _ = (stalled.recv(), lines);
    });
    let (ended, wait) = sync_channel(1);
    std::thread::spawn(move || {
        drop(LogGuard { queue, writer });
        ended.send(()).unwrap();
    });
    wait.recv_timeout(10 * LAST_LINES).expect("the guard gave up on the writer");
    drop(release);
}

/// RFC 5424 §6.2.1: priority = facility × 8 + severity; daemon is 3, warning 4.
#[test]
fn a_syslog_line_begins_with_its_priority_and_ident() {
    let (sink, lines) = sink(1);
    let make = MakeLine { sink, syslog: Some((3, "Keepalived[7]: ".into())) };
    make.line(Level::WARN).write_all(b"text\n").unwrap();
    let Line::Syslog(text) = lines.try_recv().unwrap() else { panic!("not for syslog") };
    assert_eq!(text, b"<28>Keepalived[7]: text\n");
}
