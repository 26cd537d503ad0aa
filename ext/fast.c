/* The few loops that Python is slow at, on the stable ABI. Building it is optional (make ext): every function has a twin in Python
 * with the same name, signature and errors, named beside it here, and one property test compares the two. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* stack/wire/checksum.py: ones_sum(data, initial=0) -> int, folded to 16 bits (RFC 1071). */
static PyObject *ones_sum(PyObject *self, PyObject *args)
{
    Py_buffer data;
    unsigned long long sum = 0;

    (void)self;
    if (!PyArg_ParseTuple(args, "y*|K:ones_sum", &data, &sum))
        return NULL;

    /* A 64-bit accumulator of 32-bit words cannot overflow in 2**32 words; 2**16 is 1 modulo 65535, so the words may be of
     * any width, in any byte order, as long as the bytes of the result are swapped back at the end (RFC 1071 2 B). */
    const unsigned char *at = data.buf;
    Py_ssize_t left = data.len;
    uint64_t words = 0;
    while (left >= 4) {
        uint32_t word;
        memcpy(&word, at, 4);
        words += word;
        at += 4;
        left -= 4;
    }
    if (left > 0) {
        unsigned char tail[4] = {0, 0, 0, 0};
        uint32_t word;
        memcpy(tail, at, (size_t)left);
        memcpy(&word, tail, 4);
        words += word;
    }
    PyBuffer_Release(&data);

    while (words >> 16)
        words = (words & 0xffff) + (words >> 16);
    const uint16_t one = 1;
    if (*(const unsigned char *)&one)
        words = (words >> 8) | ((words & 0xff) << 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    sum += words;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return PyLong_FromUnsignedLongLong(sum);
}

static PyMethodDef methods[] = {
    {"ones_sum", ones_sum, METH_VARARGS, "ones_sum(data, initial=0) -> int: stack.wire.checksum.ones_sum in C"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "fast", "The C twins of a few functions; see fast.c.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_fast(void)
{
    return PyModule_Create(&module);
}
