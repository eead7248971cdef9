import shutil

import pytest
from embedded import places
from embedded.places import data_folder, server_account


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """A folder that stands for the machine's memory, with room."""
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(places, "MEMORY", memory)
    monkeypatch.setattr(places, "SHARED_STATE", tmp_path / "state")
    monkeypatch.setattr(places, "ROOMY", 1)
    return memory


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "caller"
    folder.mkdir()
    return folder


def test_what_need_not_last_is_kept_in_memory(memory, folder):
    data = data_folder(folder, server_account(), lasting=False)
    assert data.is_relative_to(memory)
    data.mkdir()
    assert data_folder(folder, server_account(), lasting=False) == data
    assert (folder / "data").resolve() == data


def test_what_must_last_is_not(memory, folder):
    assert not data_folder(folder, server_account()).is_relative_to(memory)
    assert not any(memory.iterdir())


def test_without_room_nothing_is_kept_in_memory(memory, folder, monkeypatch):
    monkeypatch.setattr(places, "ROOMY", 1 << 60)
    assert not data_folder(folder, server_account(), lasting=False).is_relative_to(memory)


def test_a_machine_without_such_a_folder_keeps_it_elsewhere(memory, folder):
    memory.rmdir()
    assert not data_folder(folder, server_account(), lasting=False).is_relative_to(memory)


def test_what_a_folder_that_is_gone_had_in_memory_goes_with_the_next(memory, folder, tmp_path):
    killed, works = tmp_path / "killed", tmp_path / "works"
    homes = []
    for each in (killed, works):
        each.mkdir()
        homes.append(data_folder(each, server_account(), lasting=False))
        homes[-1].mkdir()
    shutil.rmtree(killed)
    data_folder(folder, server_account(), lasting=False)
    assert [home.exists() for home in homes] == [False, True]
