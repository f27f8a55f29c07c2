use std::process::Command;
use std::time::Duration;

use super::*;

fn datagram(event: ProcEvent) -> Vec<u8> {
    let payload = ProcEventHeader { cpu: 0, timestamp_ns: 1, event };
    let message = CnMsgBuilder::default()
        .idx(CnMsgIdx::Proc)
        .val(CnMsgVal::Proc)
        .payload(payload)
        .build()
        .unwrap();
    let mut body = Cursor::new(Vec::new());
    message.to_bytes(&mut body).unwrap();
    let body = body.into_inner();
    let mut datagram = ((HEADER_LEN + body.len()) as u32).to_ne_bytes().to_vec();
    datagram.extend(NLMSG_DONE.to_ne_bytes());
    datagram.resize(HEADER_LEN, 0);
    datagram.extend(body);
    datagram
}

#[test]
fn threads_are_no_processes() {
    let fork =
        |child_pid| ProcEvent::Fork { parent_pid: 10, parent_tgid: 10, child_pid, child_tgid: 11 };
    let events = |event| parse(&datagram(event)).collect::<Vec<_>>();
    assert_eq!(events(fork(11)), [ProcessEvent::Forked { parent: 10, child: 11 }]);
    assert_eq!(events(fork(12)), []);
}

#[test]
fn any_octets_give_events_or_none() {
    let whole = datagram(ProcEvent::Exec { process_pid: 7, process_tgid: 7 });
    assert_eq!(parse(&whole).collect::<Vec<_>>(), [ProcessEvent::Changed(7)]);
    for length in 0..whole.len() {
        assert_eq!(parse(&whole[..length]).count(), 0, "{length} octets");
    }
    for place in 0..whole.len() {
        let mut broken = whole.clone();
        broken[place] ^= 0xff;
        let _ = parse(&broken).count();
    }
}

/// On a kernel that has them, and where we may hear them.
#[tokio::test]
async fn a_process_is_heard_from_its_beginning_to_its_end() {
    let mut events = match ProcessEvents::open() {
        Ok(events) => events,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let mut child = Command::new("sleep").arg("0.05").spawn().unwrap();
    let pid = child.id().cast_signed();
    let mut heard = Vec::new();
    let wanted = [ProcessEvent::Changed(pid), ProcessEvent::Ended(pid)];
    let all = async {
        while !wanted.iter().all(|event| heard.contains(event)) {
            events.ready().await.unwrap();
            events.drain(&mut heard).unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("both events");
    child.wait().unwrap();
    let forked =
        |event: &ProcessEvent| matches!(event, ProcessEvent::Forked { child, .. } if *child == pid);
    assert!(heard.iter().any(forked), "{heard:?}");
}
