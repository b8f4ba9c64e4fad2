"""The hashes of texts and files, against those of FIPS 180-4 and of sha256sum."""

from t2local.system.hashes import file_sha256, text_sha256


def test_texts_and_files_have_the_hashes_that_others_give_them(tmp_path):
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "file").write_bytes(b"abc")
    assert text_sha256("abc") == file_sha256(tmp_path / "file") == abc


def test_a_text_is_hashed_as_utf_8(tmp_path):
    (tmp_path / "file").write_bytes("Größe\n".encode())
    assert text_sha256("Größe\n") == file_sha256(tmp_path / "file")
