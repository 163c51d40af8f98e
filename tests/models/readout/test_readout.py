"""Networks on AIMNet2's features: dipole moments, groups of members, arrays."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from screener.errors import SchemaError
from screener.models.readout.evaluator import ReadoutEvaluator, member_stds, members_of
from screener.models.readout.inputs import Inputs
from screener.models.readout.model import from_arrays, to_arrays
from screener.models.readout.network import Readout, ReadoutSettings
from screener.records import Structure
from screener.units import ANGSTROM_PER_BOHR, DEBYE_PER_ATOMIC_UNIT

KINDS = ("sum", "mean", "moment")
DESCRIPTION = {"elements": (1, 6, 7, 8, 9), "extensive": (True, False, False, False)}


@pytest.fixture
def network() -> Readout:
    """Of two members, with weights that are not those of the beginning."""
    made = Readout(ReadoutSettings(kinds=KINDS, n_inputs=5, n_members=2, n_hidden=8))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        made.last.normal_(0.0, 0.3, generator=generator)
    return made


def inputs_of(structures: list[Structure], seed: int = 0) -> Inputs:
    """Inputs and charges drawn at random, charges summing up to those of the molecules."""
    generator = np.random.default_rng(seed)
    inputs = [generator.normal(size=(each.n_atoms, 5)).astype(np.float32) for each in structures]
    charges = [generator.normal(size=each.n_atoms) for each in structures]
    charges = [
        (own - own.mean() + each.charge / each.n_atoms).astype(np.float32)
        for own, each in zip(charges, structures, strict=True)
    ]
    return Inputs(structures, inputs, charges)


def test_an_untrained_network_tells_the_dipole_of_the_charges(solvents):
    network = Readout(ReadoutSettings(kinds=("moment",), n_inputs=5, n_members=1, n_hidden=8))
    inputs = inputs_of(solvents[:5])
    found = members_of(network, inputs)[:, 0, 0]
    for moment, structure, charges in zip(found, solvents, inputs.charges, strict=False):
        expected = np.linalg.norm(charges.astype(float) @ structure.positions.astype(float))
        assert moment == pytest.approx(expected, abs=2e-3)


def test_the_dipole_of_an_ion_is_about_the_centre_of_nuclear_charge(network, structure_of):
    cation = replace(structure_of("CN"), charge=1)
    moved = replace(cation, positions=cation.positions + np.float32([3.0, -2.0, 7.0]))
    here, there = (members_of(network, inputs_of([each])) for each in (cation, moved))
    np.testing.assert_allclose(here, there, atol=1e-5)


def test_what_is_added_to_charges_leaves_their_sum_as_it_is(network, structure_of):
    """Else a shift of the molecule would change its dipole."""
    molecule = structure_of("CCO")
    moved = replace(molecule, atomic_numbers=molecule.atomic_numbers[::-1].copy())  # another centre
    here, there = (members_of(network, inputs_of([each]))[:, 2] for each in (molecule, moved))
    np.testing.assert_allclose(here, there, atol=1e-5)


def test_sums_add_up_and_means_do_not(network, solvents):
    one = inputs_of(solvents[:1])
    molecule = solvents[0]
    twice = Structure(np.tile(molecule.atomic_numbers, 2), np.concatenate([molecule.positions] * 2))
    both = Inputs([twice], [np.tile(one.inputs[0], (2, 1))], [np.tile(one.charges[0], 2)])
    single, double = members_of(network, one), members_of(network, both)
    np.testing.assert_allclose(double[:, 0], 2.0 * single[:, 0], rtol=1e-5)
    np.testing.assert_allclose(double[:, 1], single[:, 1], rtol=1e-5)


def test_members_are_networks_of_their_own(network, solvents):
    """What one of them learns does not reach the others."""
    before = members_of(network, inputs_of(solvents[:3]))
    width = network.settings.n_hidden
    with torch.no_grad():
        network.first[:width] += 0.1
        network.second[0] += 0.1
        network.last[0] += 0.1
    after = members_of(network, inputs_of(solvents[:3]))
    assert (before[:, :, 0] != after[:, :, 0]).all()
    np.testing.assert_array_equal(before[:, :, 1], after[:, :, 1])


def test_stds_are_within_groups():
    members = np.array([[[1.0, 3.0, 11.0, 13.0]]])
    assert member_stds(members, 2) == pytest.approx(1.0)
    assert member_stds(members) == pytest.approx(np.std([1.0, 3.0, 11.0, 13.0]))


class TestFitted:
    def test_a_moment_needs_no_low_value(self, fitted):
        """The dipole moment of the small model is added to a low value, so it is a mean."""
        model = fitted["readout"].predictor.model
        assert model.network.settings.kinds == ("sum", "mean", "mean", "mean")
        assert (model.scale.factors != DEBYE_PER_ATOMIC_UNIT / ANGSTROM_PER_BOHR).all()

    def test_arrays_give_the_model_back(self, fitted, solvents):
        model = fitted["readout"].predictor.model
        again = from_arrays(to_arrays(model), DESCRIPTION)
        before, after = (ReadoutEvaluator(each).predict(solvents[:20]) for each in (model, again))
        for name in ("values", "stds", "distances", "offsets"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))

    def test_what_was_learned_is_near_and_other_chemistry_far(self, fitted, solvents, structure_of):
        evaluator = ReadoutEvaluator(fitted["readout"].predictor.model)
        known = evaluator.predict(solvents).distances
        strange = evaluator.predict([structure_of("C#CC#CC#CC#C")]).distances
        assert np.median(strange) > 3.0 * np.quantile(known, 0.9)

    @pytest.mark.parametrize("name", ["kinds", "sizes", "projector.sizes", "known.values"])
    def test_arrays_that_do_not_fit_are_refused(self, fitted, name):
        arrays = to_arrays(fitted["readout"].predictor.model)
        del arrays[f"readout.{name}"]
        with pytest.raises(SchemaError, match=name):
            from_arrays(arrays, DESCRIPTION)

    def test_arrays_of_other_columns_are_refused(self, fitted):
        arrays = to_arrays(fitted["readout"].predictor.model)
        with pytest.raises(SchemaError, match="sums and means"):
            from_arrays(arrays, DESCRIPTION | {"extensive": (False, False, False, False)})
