"""Old names of keys and options are read for one release, with a warning."""

import logging

import pytest

from screener.campaign.settings.config import read_config
from screener.campaign.settings.renamed import with_new_names
from screener.errors import ConfigError
from screener.funnel.settings import SearchSettings


def test_old_keys_of_a_configuration_are_read_with_a_warning(tmp_path, caplog):
    caplog.handler.setLevel(logging.NOTSET)
    file = tmp_path / "campaign.toml"
    file.write_text("[funnel]\nbudget = 500\nfirst = 0.3\nleast_gain = 0.05\n")
    funnel = read_config(str(file)).funnel
    assert (funnel.initial_fraction, funnel.min_expected_gain) == (0.3, 0.05)
    assert "[funnel]: first is called initial_fraction now" in caplog.text
    assert "[funnel]: least_gain is called min_expected_gain now" in caplog.text
    settings = funnel.settings(None, top_n=10)
    assert (settings.initial_fraction, settings.min_expected_gain) == (0.3, 0.05)


def test_present_keys_are_read_without_a_word(tmp_path, caplog):
    caplog.handler.setLevel(logging.NOTSET)
    file = tmp_path / "campaign.toml"
    file.write_text("[funnel]\nbudget = 500\ninitial_fraction = 0.3\n")
    assert read_config(str(file)).funnel.initial_fraction == 0.3
    assert caplog.text == ""


def test_a_value_under_both_names_is_refused(tmp_path):
    file = tmp_path / "campaign.toml"
    file.write_text("[funnel]\nbudget = 500\nfirst = 0.3\ninitial_fraction = 0.2\n")
    with pytest.raises(ConfigError, match="first is the old name of initial_fraction"):
        read_config(str(file))


def test_what_is_not_given_is_no_old_name(caplog):
    options = {"--estimate": True, "--plan": None}
    assert with_new_names(options, {"--plan": "--estimate"}, "screen") == {"--estimate": True}
    assert caplog.text == ""


def test_frozen_settings_of_earlier_releases_are_read():
    settings = SearchSettings.model_validate(
        {"budget": 100, "top_n": 5, "first": 0.4, "least_gain": 0.1}
    )
    assert (settings.initial_fraction, settings.min_expected_gain) == (0.4, 0.1)
