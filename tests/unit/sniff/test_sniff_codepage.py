"""The code page is told by the characters that people of a country write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sniff.codepage import code_page, readable

TEXTS = {
    "cp949": ["납땜불량", "양품", "검사 결과", "부품 누락", "미삽", "쇼트 불량", "정상"],
    "cp932": ["はんだ不足", "良品", "部品欠落", "検査結果", "ブリッジ", "不良"],
    "cp936": ["锡膏不足", "合格", "缺陷", "检测结果", "元件缺失", "短路不良"],
    "cp1252": ["Lötfehler", "défaut", "größe", "soudure à froid", "25 °C", "más"],
}


@pytest.mark.parametrize("page", TEXTS)
@given(data=st.data())
def test_each_code_page_is_told_from_the_others(page: str, data: st.DataObject) -> None:
    """A few words are enough."""
    words = data.draw(st.lists(st.sampled_from(TEXTS[page]), min_size=3, max_size=9, unique=True).filter(len))
    text = "\r\n".join(f"P{number},NG,{word}" for number, word in enumerate(words)).encode(page)
    found = code_page(text)
    assert found is not None
    assert found.name == page or page in found.also, found
    assert not found.certain


@given(st.text(max_size=50))
def test_utf8_is_always_told(text: str) -> None:
    """Bytes that are valid UTF-8 are no accident."""
    found = code_page(text.encode("utf-8"))
    assert found is not None
    assert found.name == "utf-8"
    assert found.certain


@given(st.binary(max_size=200))
def test_no_bytes_break_it_and_the_page_reads_them(data: bytes) -> None:
    """Whatever is proposed can read everything that was seen."""
    found = code_page(data)
    if found is not None:
        data.decode(found.name)
    assert 0 <= readable(data) <= 1
