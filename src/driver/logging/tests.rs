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

/// RFC 5424 §6.2.1: priority = facility × 8 + severity; daemon is 3, warning 4.
#[test]
fn a_syslog_line_begins_with_its_priority_and_ident() {
    let (sink, lines) = sink(1);
    let make = MakeLine { sink, syslog: Some((3, "Keepalived[7]: ".into())) };
    make.line(Level::WARN).write_all(b"text\n").unwrap();
    let Line::Syslog(text) = lines.try_recv().unwrap() else { panic!("not for syslog") };
    assert_eq!(text, b"<28>Keepalived[7]: text\n");
}
