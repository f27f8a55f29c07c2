use super::*;

/// RFC 4861 §4.4, by hand. The checksum's words: pseudo-header 2001+0db8+50 (source), ff02+1,
/// length 20, next header 3a; message 8800+2000+2001+0db8+50, option 0201+0200+0000+01aa.
#[test]
fn an_unsolicited_advertisement_overrides_and_names_the_mac() {
    let address: Ipv6Addr = "2001:db8::50".parse().unwrap();
    let frame = unsolicited([0x02, 0, 0, 0, 0x01, 0xaa], address, false);

    assert_eq!(frame[..14], [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0xaa, 0x86, 0xdd]);
    assert_eq!(frame[14..22], [0x60, 0, 0, 0, 0, 32, 58, 255], "hop limit 255");
    assert_eq!(frame[22..38], address.octets(), "from the address itself");
    assert_eq!(frame[54..56], [136, 0]);
    assert_eq!(frame[58], 0x20, "override, not solicited, no router");
    assert_eq!(frame[78..], [2, 1, 2, 0, 0, 0, 1, 0xaa]);
    let words = 0x2001
        + 0x0db8
        + 0x50
        + 0xff02
        + 1
        + 0x20
        + 0x3a
        + 0x8800
        + 0x2000
        + 0x2001
        + 0x0db8
        + 0x50
        + 0x0201
        + 0x0200
        + 0x01aa;
    let folded = (words & 0xffff) + (words >> 16);
    assert_eq!(frame[56..58], (!(folded as u16)).to_be_bytes());
    assert_eq!(unsolicited([2; 6], address, true)[58], 0xa0, "a router says so");
}
