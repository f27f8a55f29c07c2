use proptest::prelude::*;

use super::*;

fn message(kind: usize, contents: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (contents.len() as u32).to_be_bytes();
    [&[kind as u8], &length[..], contents].concat()
}

/// Its length in so many octets, and then the contents.
fn vector(width: usize, contents: &[u8]) -> Vec<u8> {
    [&contents.len().to_be_bytes()[8 - width..], contents].concat()
}

fn certificates(format: Format, number: usize, length: usize) -> Vec<u8> {
    let one = vector(3, &vec![11; length]);
    match format {
        Format::Tls12 => message(CERTIFICATE, &vector(3, &one.repeat(number))),
        Format::Tls13 => {
            let one = [one, vector(2, b"\0\x05\0\x01x")].concat();
            message(CERTIFICATE, &[vector(1, b"ctx"), vector(3, &one.repeat(number))].concat())
        }
    }
}

/// Of which the names are `length` octets long each.
fn request(format: Format, number: usize, length: usize) -> Vec<u8> {
    let names = vector(2, &vector(2, &vec![13; length]).repeat(number));
    match format {
        Format::Tls12 => message(
            CERTIFICATE_REQUEST,
            &[vector(1, &[1, 64]), vector(2, &[4, 3, 8, 4]), names].concat(),
        ),
        Format::Tls13 => {
            let schemes = [vec![0, 13], vector(2, &vector(2, &[4, 3]))].concat();
            let authorities = [vec![0, 47], vector(2, &names)].concat();
            let extensions = vector(2, &[&schemes[..], &authorities, &schemes].concat());
            message(CERTIFICATE_REQUEST, &[vec![0], extensions].concat())
        }
    }
}

const BOTH: [Format; 2] = [Format::Tls12, Format::Tls13];

fn follow(format: Format, octets: &[u8], piece: usize) -> Result<(), TooMuch> {
    let mut handshake = Handshake::new(format);
    octets.chunks(piece).try_for_each(|octets| handshake.follow(octets))
}

/// However it is cut, and behind messages that are nothing to us.
fn judged(format: Format, messages: &[u8]) -> Result<(), TooMuch> {
    let octets =
        [&message(2, &[0xff; 70]), &message(14, &[]), &message(12, &[11; 300]), messages].concat();
    let whole = follow(format, &octets, octets.len());
    for piece in [1, 2, 3, 1_000] {
        assert_eq!(follow(format, &octets, piece), whole, "in pieces of {piece}");
    }
    whole
}

#[test]
fn what_servers_have_in_use_passes() {
    for format in BOTH {
        let all = [request(format, 100, 60), certificates(format, 5, 2_000)].concat();
        assert_eq!(judged(format, &all), Ok(()));
        assert_eq!(judged(format, &certificates(format, MAX_CERTIFICATES, 100)), Ok(()));
        assert_eq!(judged(format, &request(format, MAX_NAMES, 20)), Ok(()));
        let none = [certificates(format, 0, 0), request(format, 0, 0)].concat();
        assert_eq!(judged(format, &none), Ok(()));
    }
}

#[test]
fn lists_have_an_end() {
    for format in BOTH {
        for length in [0, 1, 30] {
            let many = certificates(format, MAX_CERTIFICATES + 1, length);
            assert_eq!(judged(format, &many), Err(TooMuch::Certificates), "{format:?} {length}");
            let many = request(format, MAX_NAMES + 1, length);
            assert_eq!(judged(format, &many), Err(TooMuch::Names), "{format:?} {length}");
        }
        // Also over several messages.
        let half = certificates(format, MAX_CERTIFICATES / 2 + 1, 3);
        assert_eq!(judged(format, &half.repeat(2)), Err(TooMuch::Certificates));
    }
}

#[test]
fn messages_together_have_a_length() {
    for format in BOTH {
        let half = certificates(format, 1, MAX_OCTETS / 2);
        assert_eq!(judged(format, &half), Ok(()));
        assert_eq!(judged(format, &half.repeat(2)), Err(TooMuch::Octets));
        // What comes behind the handshake is not of it.
        let tickets =
            [message(NEW_SESSION_TICKET, &[4; 1_000]), message(KEY_UPDATE, &[0])].concat();
        assert_eq!(judged(format, &tickets.repeat(100)), Ok(()));
    }
}

/// A list that says that it is shorter, or longer, than its message; and one that ends within a number.
#[test]
fn what_is_malformed_hides_nothing_behind_it() {
    for format in BOTH {
        let many = certificates(format, MAX_CERTIFICATES + 1, 0);
        for broken in [
            &[0, 0, 0][..],
            &[9, 0xff, 0xff, 0xff, 0xff],
            &[0, 0, 0, 9, 0, 0, 1, 0xff, 0xff],
            &[3, 1, 2, 3, 0xff, 0xff, 0, 47, 0, 0, 0xff, 0xff, 0],
        ] {
            for kind in [CERTIFICATE, CERTIFICATE_REQUEST] {
                let octets = [message(kind, broken), many.clone()].concat();
                assert_eq!(
                    judged(format, &octets),
                    Err(TooMuch::Certificates),
                    "{kind} {broken:?}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn any_octets_are_followed(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in BOTH {
            let _ = judged(format, &octets);
        }
    }
}
