"""Expressions: values as ngspice 39 computes them, sympy as its B sources, nothing but NetlistErrors."""

import math

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from analogpnn.errors import NetlistError
from analogpnn.expression import Control, Function, evaluate, format_expression, parse, to_sympy
from analogpnn.expression.tree import inline, walk


@pytest.mark.parametrize(
    ("text", "value"),
    [  # what ngspice 39 prints for .param p={text} with k=3
        ("2^3^2", 64), ("2**3**2", 64), ("-2^2", -4), ("2^-1", 0.5), ("(-2)^3", 8), ("7%3", 1), ("-7%3", -1),
        ("pow(-2,3)", -8), ("pwr(-2,3)", 8), ("10/2*5", 25), ("2-3-4", -5), ("2 - -3", 5), ("nint(2.5)", 2),
        ("nint(3.5)", 4), ("int(-2.7)", -2), ("sgn(-3)", -1), ("log(10)", math.log(10)), ("log10(10)", 1),
        ("1 ? 2 : 3", 2), ("0 ? 1 : 0 ? 2 : 3", 3), ("!0", 1), ("!k", 0), ("1<2 && 2<3", 1), ("1<>2", 1),
        ("1 && 0 || 1", 1), ("ternary_fcn(1,2,3)", 2), ("max(1,2,3)", 3), ("arctan(1)", math.atan(1)),
        ("1.5e3m", 1.5),
        ("2*1meg", 2e6), ("-2^-2", -0.25), ("sqr(3)", 9), ("K+1", 4), ("-k**2", -9), ("1>=1", 1),
        # beyond ngspice's parameters
        ("if(k>2, 1k, 1/0)", 1000), ("u(0)", 0.5), ("uramp(-1)", 0), ("atan2(1,1)", math.pi / 4),
        ("2*-k", -6),
        ("{2*{k}}", 6), ("'k'", 3), ("pi", math.pi), ("e", math.e), ("4k7", 4700), ("--k", 3), ("!k+1", 1),
    ],
)  # fmt: skip
def test_values(text, value):
    assert evaluate(text, {"k": 3.0}) == value


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("1+", 2, "missing"), ("(1", 2, "missing"), ("1)", 1, "not expected"),
        ("2*zz", 2, "'zz' is not defined"),
        ("foo(1)", 0, "no function 'foo'"), ("1 # 2", 2, "no meaning"), ("", 0, "missing"),
        ("1 2", 2, "not expected"),
        ("1 + v(a)", 4, "no value"), ("a=1", 1, "not expected"), ("max()", 0, "at least 1"),
        ("sqrt(1,2)", 0, "takes 1"),
        ("1 ? 2", 5, "':' is missing"), ("v()", 0, "v(a)"), ("i(a,b)", 0, "one source"), ("{1", 2, "missing"),
    ],
)  # fmt: skip
def test_mistakes_have_a_column(text, column, words):
    with pytest.raises(NetlistError) as caught:
        evaluate(text, {"a": 1.0})
    assert (caught.value.column, caught.value.text) == (column, text)
    assert words in caught.value.what


@pytest.mark.parametrize(
    "text",
    ["1/0", "sqrt(-1)", "ln(0)", "exp(1000)", "1e300*1e300", "10^400", "0^-1", "7%0", "1e999", "acos(2)",
    "floor(1e308*10)"],
)  # fmt: skip
def test_no_value(text):
    with pytest.raises(NetlistError):
        evaluate(text, {})


@pytest.mark.parametrize("text", ["(" * 5000 + "1" + ")" * 5000, "-" * 5000 + "1", "1" + "?1:1" * 5000, "sin(" * 5000])
def test_deep_nesting_is_refused(text):
    with pytest.raises(NetlistError):
        evaluate(text, {})


def test_long_sums_are_flat():
    text = "+".join(f"w*v(x{k})" for k in range(2000))
    controls: list[Control] = []
    assert len(to_sympy(text, controls).args) == 2000
    assert len(controls) == 2000
    assert evaluate("+".join(["a"] * 2000), {"a": 0.5}) == 1000


def test_functions():
    functions = {
        "f": Function("f", ("x",), parse("2*x + k")),
        "g": Function("g", ("x", "y"), parse("f(x)*f(y)")),
        "loop": Function("loop", ("x",), parse("loop(x)")),
    }
    assert evaluate("g(1, k)", {"k": 3.0}, functions) == 45
    assert evaluate(inline(parse("g(1, k)"), functions), {"k": 3.0}) == 45
    for text in ("loop(1)", "g(1)"):
        with pytest.raises(NetlistError):
            evaluate(text, {"k": 3.0}, functions)
        with pytest.raises(NetlistError):
            inline(parse(text), functions)


def test_functions_of_functions_do_not_explode():
    functions = {"f0": Function("f0", ("x",), parse("x+x"))}
    for k in range(1, 60):
        functions[f"f{k}"] = Function(f"f{k}", ("x",), parse(f"f{k - 1}(x)+f{k - 1}(x)"))
    for attempt in (lambda: evaluate("f59(1)", {}, functions), lambda: inline(parse("f59(1)"), functions)):
        with pytest.raises(NetlistError):
            attempt()


def test_controls_are_collected_once():
    controls: list[Control] = []
    result = to_sympy("v(A)*v(a,b) + i(V1)*v(a) + v(q,q)", controls)
    assert controls == [Control("v", "a", "0"), Control("v", "a", "b"), Control("i", "v1", "")]
    c0, c1, c2 = (sympy.Symbol(f"c{k}", real=True) for k in range(3))
    assert result == c0 * c1 + c0 * c2


@pytest.mark.parametrize(
    ("text", "value"),
    [  # what ngspice 39 prints for B1 n 0 v=text with v(a)=-2, v(b)=3, v(z)=0
        ("v(a)^3", 8), ("v(a)**3", 8), ("pow(v(a),3)", 8), ("pwr(v(a),3)", -8), ("-v(b)^2", -9),
        ("u(v(z))", 0.5),
        ("v(a) ? 5 : 6", 5), ("(v(a)<v(b))*7", 7), ("v(a)<0 && v(b)>0 ? 1 : 2", 1), ("!v(z)", 1),
        ("floor(v(b)-5.5)", -3),
        ("ceil(v(a)-.5)", -2), ("min(v(a),v(b))", -2), ("v(b)^-v(b)", 1 / 27), ("v(b)>2>0", 1),
        ("v(z) && 1", 0),
        ("v(a) && v(b)", 1), ("v(a)**2.5", 2**2.5), ("uramp(v(a))", 0), ("2*-v(b)^2", -18), ("v(a,b)", -5),
        ("v(0,b)", -3),
        ("-2 < 3 == 1", 1), ("v(b)<>3", 0), ("ternary_fcn(v(a)>0,1,2)", 2), ("pwr(v(a),2)", -4),
        ("int(v(a)-.7)", -2),
        ("v(b)%2", 1), ("v(a)%1.5", -0.5),
    ],
)  # fmt: skip
def test_sympy_means_what_a_b_source_does(text, value):
    controls: list[Control] = []
    result = to_sympy(text, controls)
    volts = {"a": -2, "b": 3, "z": 0, "0": 0}
    at = {sympy.Symbol(f"c{k}", real=True): volts[c.a] - volts[c.b] for k, c in enumerate(controls)}
    assert float(result.subs(at)) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["k*v(a,b)", "exp(v(a)/vt)-1", "tanh(v(a))*sqrt(abs(v(b)))", "v(a)^3+pwr(v(a),3)",
    "max(v(a),min(v(b),1,2))",
     "v(a)>0 ? v(a)^2 : -v(b)/3", "u(v(a))+sgn(v(b))", "1/(1+exp(-v(a)))", "log10(2+v(a)^2)",
     "atan2(v(b),v(a))",
     "(v(a)>1 && !(v(b)<2)) || v(a)==v(b)", "v(a)%2 + floor(v(b))"],
)  # fmt: skip
def test_text_of_an_expression_and_of_its_slope_reads_back(text):
    controls: list[Control] = []
    law = to_sympy(text, controls)
    symbols = [sympy.Symbol(f"c{k}", real=True) for k in range(len(controls))]
    names = {s: f"v({c.a},{c.b})" for s, c in zip(symbols, controls)}
    for expression in (law, law.diff(symbols[0])):
        again: list[Control] = list(controls)
        back = to_sympy(format_expression(expression, names), again)
        for values in ((0.7, 1.9), (1.3, 0.4), (-0.6, 2.5)):
            at = dict(zip(symbols, values)) | {sympy.Symbol(n, real=True): 0.8 for n in ("k", "vt")}
            assert float(back.subs(at)) == pytest.approx(float(expression.subs(at)), rel=1e-9, abs=1e-12)


def test_format_refuses_what_ngspice_lacks():
    with pytest.raises(NetlistError, match="besselj"):
        format_expression(sympy.besselj(0, sympy.Symbol("x", real=True)))


soup = st.lists(
    st.sampled_from(
        "1 2.5 1e9 1e400 4k7 k x pi v(a) v(a,b) i(v1) v( i( ( ) { } ' , + - * / % ^ ** < > <= == = !="
        ' && || ! ? : sin( max( if( pow( ln( exp( floor( f( \x00 é # $ \\ " ['.split()
    ),
    max_size=25,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.one_of(soup, st.text(max_size=40)))
def test_any_text_is_an_expression_or_a_netlist_error(text):
    functions = {"f": Function("f", ("x",), parse("x^x/k"))}
    try:
        tree = parse(text)
        assert all(node is not None for node in walk(tree))
    except NetlistError:
        return
    try:
        assert math.isfinite(evaluate(tree, {"k": 3.0, "x": -1.5}, functions))
    except NetlistError:
        pass


@settings(max_examples=60, deadline=None)
@given(soup)
def test_any_text_is_a_sympy_expression_or_a_netlist_error(text):
    try:
        to_sympy(text, [], {"f": Function("f", ("x",), parse("x^x/k"))})
    except NetlistError:
        pass
