import subprocess
import sys

import t2local


def test_the_public_door_is_all_there_and_small():
    assert sorted(t2local.__all__) == t2local.__all__
    assert len(t2local.__all__) <= 15
    assert set(t2local.__all__) == set(t2local._HOMES)
    assert all(getattr(t2local, name) for name in t2local.__all__)


def test_nothing_imports_a_network_client_and_no_cache_is_opened():
    code = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event in ("open", "sqlite3.connect") else None)
import t2local.pipeline, t2local.llm.grammar, t2local.llm.backbone
print([m for m in ("huggingface_hub", "requests", "httpx", "httpx2", "urllib3") if m in sys.modules])
print([name for name in opened if "cache.db" in name or "/.cache/" in name])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"
